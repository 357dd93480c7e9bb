import { BlockList, isIP, SocketAddress } from "node:net";
import { plainAddress } from "../../runtime/ip-addresses.ts";

/** An IP address as sockets write it: `2001:DB8:0::1` is `2001:db8::1`; `undefined` for anything else. */
export function canonicalAddress(text: string): string | undefined {
  switch (isIP(text)) {
    case 4:
      // Four decimal numbers without leading zeros: there is one spelling.
      return text;
    case 6:
      return plainAddress(new SocketAddress({ address: text, family: "ipv6" }).address);
    default:
      return undefined;
  }
}

/** An IP address, or a network such as `10.0.0.0/8`, in canonical form; `undefined` for anything else, and for all addresses there are. @see RFC 4632 §3.1; RFC 4291 §2.3 */
export function parseNetwork(text: string): string | undefined {
  const [, host = "", prefix] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const address = canonicalAddress(host);
  if (address === undefined || prefix === undefined) return address;
  const bits = Number(prefix);
  return bits >= 1 && bits <= (isIP(address) === 6 ? 128 : 32) ? `${address}/${bits}` : undefined;
}

/** Whether an address, as sockets write it, is one of these or in one of these networks. */
export function withinAny(networks: readonly string[]): (address: string) => boolean {
  const addresses = new Set(networks);
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", prefix] = network.split("/");
    if (prefix !== undefined) list.addSubnet(address, Number(prefix), familyOf(address));
  }
  const hasNetworks = list.rules.length > 0;
  return (address) => addresses.has(address) || (hasNetworks && list.check(address, familyOf(address)));
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}
