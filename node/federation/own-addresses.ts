import type { ServerId } from "../../dht-schema/roster.ts";
import type { SipUri } from "../sip/message/uri.ts";
import type { Via } from "../sip/message/via.ts";
import type { ListenAddress } from "../sip/stack.ts";
import { defaultPort, isWildcard } from "../sip/transport/addresses.ts";
import { canonicalAddress } from "../sip/transport/networks.ts";

/** Host of the URIs that name servers of the mesh in Route, whose name is the user part: a peer id tells upper from lower case. */
export const MESH_HOST = "mesh.invalid";

/** Tells what names this node from what names another. */
export interface OwnAddresses {
  /** Whether a URI's host and port are this node's. */
  isOwnUri(uri: SipUri): boolean;
  /** Whether that is one of this node's very addresses, and not a name, which other nodes may have as well. */
  isOwnAddress(uri: SipUri): boolean;
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
  const addresses = new Set<string>();
  const named = new Set<string>();
  for (const { transport, address, port } of listening) {
    const hosts = isWildcard(address) ? [...machine, "localhost"] : [address];
    for (const host of hosts) addresses.add(`${canonicalHost(host)} ${port}`);
    // A client that finds the port in the DNS need not name it.
    for (const name of names)
      for (const at of [port, defaultPort(transport)]) named.add(`${canonicalHost(name.host)} ${name.port ?? at}`);
  }
  const isOwn = (host: string, port: number, sets = [addresses, named]): boolean =>
    sets.some((set) => set.has(`${canonicalHost(host)} ${port}`));
  const portOf = (uri: SipUri): number => uri.port ?? defaultPort(transportOf(uri));
  // As the stack names the node towards other servers.
  const meshHost = `${self.toLowerCase()}.invalid`;
  return {
    isOwnUri: (uri) => isOwn(uri.host, portOf(uri)),
    isOwnAddress: (uri) => isOwn(uri.host, portOf(uri), [addresses]),
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
