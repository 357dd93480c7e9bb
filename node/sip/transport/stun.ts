import { isIPv6 } from "node:net";
import { ipv6Groups } from "../../runtime/ip-addresses.ts";

/** Of every message; tells it from SIP, whose first octet could be the same. @see RFC 5389 §6 */
const MAGIC_COOKIE = 0x2112a442;
const HEADER_BYTES = 20;
/** Where the path is not known, requests are no longer than what passes everywhere over IPv4. @see RFC 5389 §7.1 */
const REQUEST_MAX_BYTES = 548;
const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const BINDING_ERROR = 0x0111;
const ERROR_CODE = 0x0009;
const UNKNOWN_ATTRIBUTES = 0x000a;
const XOR_MAPPED_ADDRESS = 0x0020;
/** Those of RFC 5389 that a client can send. This usage has no credentials to check, so they are passed over. @see RFC 5626 §8 */
const KNOWN: ReadonlySet<number> = new Set([0x0006, 0x0008, 0x0014, 0x0015]);
/** From here on a receiver may pass over what it does not know. */
const OPTIONAL = 0x8000;

/** Whether a datagram is STUN, and not SIP. @see RFC 5389 §7.3 */
export function isStun(bytes: Uint8Array): boolean {
  if (bytes.length < HEADER_BYTES || bytes.length % 4 !== 0 || (bytes[0] as number) >= 0x40) return false;
  const view = viewOf(bytes);
  return view.getUint32(4) === MAGIC_COOKIE && view.getUint16(2) === bytes.length - HEADER_BYTES;
}

/**
 * The answer to a Binding request: from where it came, so that a client knows that its way through a NAT is open, and still the same.
 * @param from its source
 * @returns `undefined` where there is none to give: indications, answers, other methods, malformed requests
 * @see RFC 5626 §4.4.2, §8; RFC 5389 §7.3.1
 */
export function answerStun(
  bytes: Uint8Array,
  from: { readonly address: string; readonly port: number },
): Uint8Array | undefined {
  if (bytes.length > REQUEST_MAX_BYTES || !isStun(bytes)) return undefined;
  if (viewOf(bytes).getUint16(0) !== BINDING_REQUEST) return undefined;
  const unknown = unknownIn(bytes);
  if (unknown === undefined) return undefined;
  const transaction = bytes.subarray(8, HEADER_BYTES);
  if (unknown.length === 0)
    return message(BINDING_SUCCESS, transaction, [attribute(XOR_MAPPED_ADDRESS, mapped(from, transaction))]);
  const types = Buffer.alloc(unknown.length * 2);
  unknown.forEach((type, at) => types.writeUInt16BE(type, at * 2));
  const code = Buffer.concat([Buffer.from([0, 0, 4, 20]), Buffer.from("Unknown Attribute")]);
  return message(BINDING_ERROR, transaction, [attribute(ERROR_CODE, code), attribute(UNKNOWN_ATTRIBUTES, types)]);
}

/** Attributes that the sender wants to be understood and that are not; `undefined` where they do not fill the message. */
function unknownIn(bytes: Uint8Array): readonly number[] | undefined {
  const view = viewOf(bytes);
  const unknown: number[] = [];
  let at = HEADER_BYTES;
  while (at < bytes.length) {
    const type = view.getUint16(at);
    if (type < OPTIONAL && !KNOWN.has(type) && !unknown.includes(type)) unknown.push(type);
    at += 4 + padded(view.getUint16(at + 2));
  }
  return at === bytes.length ? unknown : undefined;
}

/** @see RFC 5389 §15.2 */
function mapped({ address, port }: { readonly address: string; readonly port: number }, transaction: Uint8Array) {
  const cookie = Buffer.alloc(4);
  cookie.writeUInt32BE(MAGIC_COOKIE);
  const octets = octetsOf(address);
  const value = Buffer.alloc(4 + octets.length);
  value.writeUInt16BE(octets.length === 4 ? 1 : 2, 0);
  value.writeUInt16BE(port ^ (MAGIC_COOKIE >>> 16), 2);
  const mask = Buffer.concat([cookie, transaction]);
  octets.forEach((octet, at) => (value[4 + at] = octet ^ (mask[at] as number)));
  return value;
}

/** Octets of an address as a socket names it. */
function octetsOf(address: string): readonly number[] {
  if (!isIPv6(address)) return address.split(".").map(Number);
  return ipv6Groups(address).flatMap((group) => [group >>> 8, group & 0xff]);
}

function message(type: number, transaction: Uint8Array, attributes: readonly Buffer[]): Uint8Array {
  const body = Buffer.concat(attributes);
  const header = Buffer.alloc(8);
  header.writeUInt16BE(type, 0);
  header.writeUInt16BE(body.length, 2);
  header.writeUInt32BE(MAGIC_COOKIE, 4);
  return Buffer.concat([header, transaction, body]);
}

/** @see RFC 5389 §15 */
function attribute(type: number, value: Buffer): Buffer {
  const whole = Buffer.alloc(4 + padded(value.length));
  whole.writeUInt16BE(type, 0);
  whole.writeUInt16BE(value.length, 2);
  value.copy(whole, 4);
  return whole;
}

function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
