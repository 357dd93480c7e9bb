import { isIPv4 } from "node:net";
import type { Via } from "../message/via.ts";
import { isBareValue } from "../message/lexical.ts";
import { formatVia } from "../message/via.ts";
import type { SipHeaders } from "../message/headers.ts";
import type { Flow, SocketFlow } from "../stack.ts";
import { defaultPort } from "./addresses.ts";

/** Where the response to a request goes. */
export interface ResponsePath {
  readonly flow: Flow;
  /** When `flow` fails: the request's connection has closed. */
  readonly fallback?: Flow;
}

/**
 * Back by the connection of the request, or to the source address: at the source port if `rport` asks for it, or would if the client knew of the NAT
 * that it is behind; else at the port in Via.
 * Never to an address that only Via names: that would let anybody aim our responses at a third party, so `maddr` is not obeyed.
 * @see RFC 3261 §18.2.2; RFC 3581 §4; RFC 5922 §7.2
 */
export function responsePath(flow: Flow, via: Via): ResponsePath {
  switch (flow.transport) {
    case "MESH":
    case "WS":
    case "WSS":
      return { flow };
    case "TLS": {
      // A new connection has to prove that it leads to the same server; clients have no certificates.
      if (flow.trusted !== true) return { flow };
      const { connection: _gone, ...rest } = flow;
      return { flow, fallback: { ...rest, port: via.port ?? defaultPort(flow.transport), host: via.host } };
    }
    case "TCP":
      return {
        flow,
        fallback: { transport: "TCP", address: flow.address, port: via.port ?? defaultPort(flow.transport) },
      };
    case "UDP":
      return {
        flow:
          via.params.has("rport") || isTranslated(via.host, flow.address)
            ? flow
            : { ...flow, port: via.port ?? defaultPort(flow.transport) },
      };
  }
}

/**
 * Notes in the top Via where the request really came from.
 * @see RFC 3261 §18.2.1; RFC 3581 §4
 */
export function noteSource(headers: SipHeaders, via: Via, flow: Flow): void {
  // The name of a server of the mesh is proven by the link; there is no address to note.
  if (flow.transport === "MESH") return;
  const wantsPort = via.params.has("rport");
  const hasReceived = via.params.has("received");
  if (!wantsPort && via.host === flow.address && !hasReceived) return;
  const text = headers.shift("via") ?? "";
  const noted = wantsPort && !hasReceived ? filledIn(text, flow) : undefined;
  headers.prepend("Via", noted ?? formatVia(withSource(via, flow)));
}

const ASKS_FOR_PORT = ";rport";

/** A Via that asks for the port as most do is not put together again. Nothing else in one without quotes looks so. */
function filledIn(text: string, { address, port }: SocketFlow): string | undefined {
  const end = text.indexOf(ASKS_FOR_PORT) + ASKS_FOR_PORT.length;
  const isThere = end >= ASKS_FOR_PORT.length && (end === text.length || text.startsWith(";", end));
  if (!isThere || text.includes('"') || !isBareValue(address)) return undefined;
  return `${text.slice(0, end)}=${port}${text.slice(end)};received=${address}`;
}

function withSource(via: Via, flow: SocketFlow): Via {
  const params = new Map(via.params);
  params.set("received", flow.address);
  if (params.has("rport")) params.set("rport", String(flow.port));
  return { ...via, params };
}

/**
 * Whether who sends from an address says that it is another one: a NAT is in between, where nothing reaches it but what goes to the port that it sends from. Of a
 * name nobody knows.
 */
export function isTranslated(sentByHost: string, sourceAddress: string): boolean {
  return isIPv4(sentByHost) && sentByHost !== sourceAddress;
}

/** The flow of a request, and whether its sender listens there. @see RFC 3581 §3 */
export function senderFlow(flow: Flow, via: Via): Flow {
  const listensThere = flow.transport !== "UDP" || via.params.has("rport") || isTranslated(via.host, flow.address);
  return listensThere ? flow : { ...flow, listensElsewhere: true };
}
