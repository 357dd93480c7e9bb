import type { ServerId } from "../../dht-schema/roster.ts";
import type { SipUri } from "../sip/message/uri.ts";
import type { Via } from "../sip/message/via.ts";
import type { ListenAddress } from "../sip/stack.ts";
import { defaultPort, isWildcard } from "../sip/transport/addresses.ts";
import { canonicalAddress } from "../sip/transport/networks.ts";

/** Tells what names this node from what names another. */
export interface OwnAddresses {
  /** Whether a URI's host and port are this node's. */
  isOwnUri(uri: SipUri): boolean;
  /** Whether a Via was put on by this node. */
  isOwnVia(via: Via): boolean;
}

/** A host by which clients reach a node, and its port where that is not a listener's. */
export interface SipName {
  /** Lower case. */
  readonly host: string;
  readonly port?: number;
}

/**
 * @param names by which clients reach this node besides
 * @param listening where the stack listens
 * @param machine addresses of this machine, which a wildcard listener stands for
 */
export function ownAddresses(
  self: ServerId,
  listening: readonly ListenAddress[],
  machine: Iterable<string>,
  names: readonly SipName[] = [],
): OwnAddresses {
  const own = new Set<string>();
  for (const { transport, address, port } of listening) {
    const hosts = isWildcard(address) ? [...machine, "localhost"] : [address];
    for (const host of hosts) own.add(`${canonicalHost(host)} ${port}`);
    // A client that finds the port in the DNS need not name it.
    for (const name of names)
      for (const at of [port, defaultPort(transport)]) own.add(`${canonicalHost(name.host)} ${name.port ?? at}`);
  }
  const isOwn = (host: string, port: number): boolean => own.has(`${canonicalHost(host)} ${port}`);
  // As the stack names the node towards other servers.
  const meshHost = `${self.toLowerCase()}.invalid`;
  return {
    isOwnUri: (uri) => isOwn(uri.host, uri.port ?? defaultPort(transportOf(uri))),
    isOwnVia: ({ transport, host, port = defaultPort(transport) }) =>
      transport === "MESH" ? host === meshHost : isOwn(host, port),
  };
}

/** One spelling of a host: an IPv6 address is the same however it is written, and one that holds an IPv4 address is that. @see RFC 5954 §4.2 */
function canonicalHost(host: string): string {
  return canonicalAddress(host) ?? host.toLowerCase();
}

/** @see RFC 3261 §19.1.2, RFC 7118 §5.2 */
function transportOf({ scheme, params }: SipUri): string {
  const named = params.get("transport")?.toUpperCase();
  if (scheme === "sip") return named ?? "UDP";
  return named === "WS" ? "WSS" : "TLS";
}
