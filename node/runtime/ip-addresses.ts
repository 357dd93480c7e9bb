import { isIP } from "node:net";

/** An address as sockets give it, IPv4 mapped into IPv6 as IPv4. */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}

/** Whether only processes of this machine have the address. */
export function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

/** What is limited as one: an IPv4 address, or a /64 of IPv6. */
export function sourceOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const network = ipv6Groups(address)
    .slice(0, 4)
    .map((group) => group.toString(16));
  return `${network.join(":")}::/64`;
}

/** The eight groups of an IPv6 address; a zone is left out. @see RFC 4291 §2.2 */
export function ipv6Groups(address: string): readonly number[] {
  const [plain = ""] = address.split("%", 1);
  const [before = [], after = []] = plain.split("::").map(groupsIn);
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
}

/** Of a part of an IPv6 address, which may end as an IPv4 address does. */
function groupsIn(text: string): readonly number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (!group.includes(".")) return Number.parseInt(group, 16);
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
