/** What is sent for that: clients pass over it, as over all that is no longer. */
export const KEEP_ALIVE: Uint8Array = Buffer.from("\r\n\r\n");

/**
 * Whether a datagram or frame only keeps a path through a NAT open: a few octets of CR, LF or NUL, as clients send them.
 * @see RFC 5626 §3.5.1
 */
export function isKeepAlive(bytes: Uint8Array): boolean {
  return bytes.length <= 4 && bytes.every((octet) => octet === 0x0d || octet === 0x0a || octet === 0);
}
