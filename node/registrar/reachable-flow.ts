import { tryParseUri } from "../sip/message/uri.ts";
import type { Binding } from "./binding.ts";
import type { Flow } from "../sip/stack.ts";

const DEFAULT_PORT = 5060;

/**
 * How a contact, or the first proxy on the path to it, can be reached once the stream connection that it registered over is gone; `undefined` when it cannot.
 * A WebSocket or TLS client can only come again by itself: it has no certificate to be known by. A TCP client is called back at the port of its Contact, but only on the
 * host that it registered from: otherwise a registration could make this server connect to any address.
 */
export function flowWithoutConnection(contactUri: string, flow: Flow, path: readonly string[] = []): Flow | undefined {
  switch (flow.transport) {
    case "MESH":
    case "UDP":
      return flow;
    case "WS":
    case "WSS":
    case "TLS":
      return undefined;
    case "TCP": {
      const uri = tryParseUri(path[0]?.replace(/^[^<]*<|>.*$/g, "") ?? contactUri);
      if (uri?.host !== flow.address) return undefined;
      const { address, listener } = flow;
      return {
        transport: "TCP",
        address,
        port: uri.port ?? DEFAULT_PORT,
        ...(listener === undefined ? {} : { listener }),
      };
    }
  }
}

/** Bindings after the end of a connection: those that can only be reached over it are gone. */
export function withoutConnection(bindings: readonly Binding[], connection: string): readonly Binding[] {
  return bindings.flatMap((binding) => {
    if (binding.flow.transport === "MESH" || binding.flow.connection !== connection) return [binding];
    const flow = flowWithoutConnection(binding.uri, binding.flow, binding.path);
    return flow === undefined ? [] : [{ ...binding, flow }];
  });
}
