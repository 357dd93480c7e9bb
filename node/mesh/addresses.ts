import type { Multiaddr } from "@multiformats/multiaddr";
import { multiaddr } from "@multiformats/multiaddr";
import { ConfigurationError } from "../runtime/errors.ts";

/** Peer id at the end of an address. */
export function peerOf(address: Multiaddr): string | undefined {
  return address.getComponents().findLast((component) => component.name === "p2p")?.value;
}

/** Whether all are multiaddrs without a peer id, as rosters hold them. */
export function areListenAddresses(addresses: readonly string[]): boolean {
  try {
    return addresses.every((address) => peerOf(multiaddr(address)) === undefined);
  } catch {
    return false;
  }
}

/** Addresses as an operator wrote them. @throws {ConfigurationError} `BAD_ADDRESS` */
export function parseAddresses(addresses: readonly string[], what: string): Multiaddr[] {
  return addresses.map((address) => {
    try {
      return multiaddr(address);
    } catch (cause) {
      throw new ConfigurationError(
        "BAD_ADDRESS",
        `${what}: ${JSON.stringify(address)} is not a multiaddr, e.g. /ip4/192.0.2.1/tcp/4001`,
        { cause },
      );
    }
  });
}
