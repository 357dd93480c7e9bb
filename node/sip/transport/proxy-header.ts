import { isIP } from "node:net";
import { limits } from "../../runtime/limits.ts";
import { canonicalAddress } from "./networks.ts";

/** Whose connection a proxy says that it carries. */
export interface ProxyHeader {
  /** Octets of the header; what comes after them is the client's. */
  readonly length: number;
  /** The client; `undefined`: the proxy itself, as when it looks whether this server is there. */
  readonly client: { readonly address: string; readonly port: number } | undefined;
}

const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
/** With the two octets for version, command and family, and those of the length. */
const FIXED_BYTES = 16;
/** Of version 1, the end of line included. */
const LINE_BYTES = 107;
const TCP_LINE = /^PROXY TCP([46]) (\S+) (\S+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})$/;

/**
 * Reads the header of the PROXY protocol, version 1 or 2, at the beginning of a connection, from what has come of it.
 * @returns `more` while it is not whole, `broken` when it cannot become one
 * @see https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt
 */
export function readProxyHeader(octets: Buffer): ProxyHeader | "more" | "broken" {
  const begun = Math.min(octets.length, SIGNATURE.length);
  return octets.compare(SIGNATURE, 0, begun, 0, begun) === 0 ? readVersion2(octets) : readVersion1(octets);
}

function readVersion1(octets: Buffer): ProxyHeader | "more" | "broken" {
  const text = octets.subarray(0, LINE_BYTES).toString("latin1");
  const end = text.indexOf("\r\n");
  if (end < 0) {
    const canBecomeOne = text.startsWith("PROXY ") || "PROXY ".startsWith(text);
    return canBecomeOne && text.length < LINE_BYTES ? "more" : "broken";
  }
  const line = text.slice(0, end);
  const length = end + 2;
  if (line === "PROXY UNKNOWN" || line.startsWith("PROXY UNKNOWN ")) return { length, client: undefined };
  const [, family, from = "", to = "", port, toPort] = TCP_LINE.exec(line) ?? [];
  if ([from, to].some((each) => String(isIP(each)) !== family || each.includes("%"))) return "broken";
  if (Number(port) > 65_535 || Number(toPort) > 65_535) return "broken";
  return { length, client: { address: canonicalAddress(from) as string, port: Number(port) } };
}

function readVersion2(octets: Buffer): ProxyHeader | "more" | "broken" {
  if (octets.length < FIXED_BYTES) return "more";
  const command = octets.readUInt8(12);
  const family = octets.readUInt8(13);
  const length = FIXED_BYTES + octets.readUInt16BE(14);
  if (length > limits.sip.proxyHeaderBytes) return "broken";
  if (command !== LOCAL && command !== PROXY) return "broken";
  const kind = FAMILIES.get(family);
  if (command === PROXY && (kind === undefined || length < FIXED_BYTES + kind.bytes)) return "broken";
  if (octets.length < length) return "more";
  if (command === LOCAL || kind === undefined || kind.bytes === 0) return { length, client: undefined };
  const from = octets.subarray(FIXED_BYTES, FIXED_BYTES + kind.addressBytes);
  return {
    length,
    client: { address: kind.read(from), port: octets.readUInt16BE(FIXED_BYTES + 2 * kind.addressBytes) },
  };
}

const LOCAL = 0x20;
const PROXY = 0x21;

/** What is carried over streams, and how long the addresses and ports of both ends are. */
const FAMILIES = new Map([
  [0x00, { bytes: 0, addressBytes: 0, read: () => "" }],
  [0x11, { bytes: 12, addressBytes: 4, read: (from: Buffer) => from.join(".") }],
  [0x21, { bytes: 36, addressBytes: 16, read: ipv6Of }],
]);

function ipv6Of(from: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, at) => from.readUInt16BE(2 * at).toString(16));
  return canonicalAddress(groups.join(":")) as string;
}
