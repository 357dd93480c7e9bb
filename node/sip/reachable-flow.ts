import type { SipUri } from "./message/uri.ts";
import { tryParseUri } from "./message/uri.ts";
import type { Flow, Listener, SocketFlow } from "./stack.ts";
import { defaultPort } from "./transport/addresses.ts";

/**
 * How a contact, or the first proxy on the path to it, can be reached once the stream connection that it came by is gone; `undefined` when it cannot.
 * @see RFC 3261 §12.2.1.1, §18.1.1
 */
export function flowWithoutConnection(contactUri: string, flow: Flow, path: readonly string[] = []): Flow | undefined {
  if (flow.transport === "MESH" || flow.transport === "UDP") return flow;
  const listener = listenerOf(contactUri, flow, path);
  return listener && flowTo(listener, flow);
}

/**
 * Where a contact, or the first proxy on the path to it, listens at the other end of a flow; `undefined` where it may not be called.
 * A WebSocket or TLS client can only come again by itself: it has no certificate to be known by. A server that the operator trusts has one, for the host of its Contact,
 * and is connected to at its address. A TCP client, and a UDP client that sends from another port than it listens on, are called at the port of the Contact, but only on the
 * host that they came from: otherwise a Contact could make this server send to any address.
 * @see RFC 3261 §12.2.1.1, §16.6 step 7; RFC 3581 §3; RFC 5922 §7.2
 */
export function listenerOf(contactUri: string, flow: SocketFlow, path: readonly string[]): Listener | undefined {
  const uri = nextHop(contactUri, path);
  switch (flow.transport) {
    case "WS":
    case "WSS":
      return undefined;
    case "TLS":
      return flow.trusted === true && uri !== undefined
        ? { port: uri.port ?? defaultPort(flow.transport), host: uri.host }
        : undefined;
    case "TCP":
    case "UDP":
      return uri?.host === flow.address ? { port: uri.port ?? defaultPort(flow.transport) } : undefined;
  }
}

export function flowTo(listener: Listener, { connection: _gone, ...flow }: SocketFlow): SocketFlow {
  return { ...flow, ...listener };
}

function nextHop(contactUri: string, path: readonly string[]): SipUri | undefined {
  return tryParseUri(path[0]?.replace(/^[^<]*<|>.*$/g, "") ?? contactUri);
}
