import { isIP } from "node:net";
import type { SipUri } from "../message/uri.ts";
import type { Flow } from "../stack.ts";

/**
 * The way to a URI whose host is an IP literal; `undefined` for a host name and for a transport that needs what a URI cannot give
 * (a WebSocket client's connection, TLS).
 * @see RFC 3263 §4.1, §4.2
 */
export function flowOf(uri: SipUri): Flow | undefined {
  const transport = uri.params.get("transport")?.toUpperCase() ?? "UDP";
  if (uri.scheme === "sips" || isIP(uri.host) === 0 || (transport !== "UDP" && transport !== "TCP")) return undefined;
  return { transport, address: uri.host, port: uri.port ?? 5060 };
}
