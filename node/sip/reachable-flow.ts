import type { SipUri } from "./message/uri.ts";
import { tryParseUri } from "./message/uri.ts";
import type { Flow } from "./stack.ts";

const DEFAULT_PORT = 5060;
const TLS_PORT = 5061;

/**
 * How a contact, or the first proxy on the path to it, can be reached once the stream connection that it came by is gone; `undefined` when it cannot.
 * A WebSocket or TLS client can only come again by itself: it has no certificate to be known by. A server that the operator trusts has one, for the host of its Contact,
 * and is connected to at its address. A TCP client is called back at the port of its Contact, but only on the
 * host that it came from: otherwise a Contact could make this server connect to any address.
 * @see RFC 3261 §12.2.1.1, §18.1.1; RFC 5922 §7.2
 */
export function flowWithoutConnection(contactUri: string, flow: Flow, path: readonly string[] = []): Flow | undefined {
  switch (flow.transport) {
    case "MESH":
    case "UDP":
      return flow;
    case "WS":
    case "WSS":
      return undefined;
    case "TLS": {
      const uri = nextHop(contactUri, path);
      if (flow.trusted !== true || uri === undefined) return undefined;
      const { connection: _gone, ...rest } = flow;
      return { ...rest, port: uri.port ?? TLS_PORT, host: uri.host };
    }
    case "TCP": {
      const uri = nextHop(contactUri, path);
      if (uri?.host !== flow.address) return undefined;
      const { connection: _gone, ...rest } = flow;
      return { ...rest, port: uri.port ?? DEFAULT_PORT };
    }
  }
}

/**
 * How a UDP client that sends from another port than it listens on is reached: at the port of its Contact, or of the first proxy on the path to it, on the host that it
 * sends from and no other.
 * @see RFC 3261 §12.2.1.1, §16.6 step 7; RFC 3581 §3
 */
export function flowToListener(contactUri: string, flow: Flow, path: readonly string[]): Flow {
  const uri = nextHop(contactUri, path);
  if (flow.transport === "MESH" || uri?.host !== flow.address) return flow;
  return { ...flow, port: uri.port ?? DEFAULT_PORT };
}

function nextHop(contactUri: string, path: readonly string[]): SipUri | undefined {
  return tryParseUri(path[0]?.replace(/^[^<]*<|>.*$/g, "") ?? contactUri);
}
