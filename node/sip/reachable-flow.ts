import { tryParseUri } from "./message/uri.ts";
import type { Flow } from "./stack.ts";

const DEFAULT_PORT = 5060;

/**
 * How a contact, or the first proxy on the path to it, can be reached once the stream connection that it came by is gone; `undefined` when it cannot.
 * A WebSocket or TLS client can only come again by itself: it has no certificate to be known by. A TCP client is called back at the port of its Contact, but only on the
 * host that it came from: otherwise a Contact could make this server connect to any address.
 * @see RFC 3261 §12.2.1.1, §18.1.1
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
