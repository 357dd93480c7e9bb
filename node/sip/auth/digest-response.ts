import { hash, timingSafeEqual } from "node:crypto";

/** Hash algorithms of digest authentication that we know users' secrets for. @see RFC 8760 §2.1 */
export type DigestAlgorithm = "SHA-256" | "MD5";

/** What goes into a digest response beside the user's secret. */
export interface DigestInput {
  readonly algorithm: DigestAlgorithm;
  readonly nonce: string;
  readonly method: string;
  /** As the client wrote it. */
  readonly uri: string;
  /** `undefined`: as RFC 2069 clients compute it. */
  readonly qop: { readonly nc: string; readonly cnonce: string } | undefined;
}

/**
 * The response of a client that knows H(username:realm:password), hex.
 * @see RFC 7616 §3.4.1
 */
export function digestResponse(ha1: string, { algorithm, nonce, method, uri, qop }: DigestInput): string {
  const h = (text: string): string => hash(algorithm === "MD5" ? "md5" : "sha256", text);
  const ha2 = h(`${method}:${uri}`);
  return h(qop === undefined ? `${ha1}:${nonce}:${ha2}` : `${ha1}:${nonce}:${qop.nc}:${qop.cnonce}:auth:${ha2}`);
}

/** Compares in a time that does not tell how much of it is right. */
export function sameResponse(expected: string, given: string): boolean {
  const a = Buffer.from(expected);
  const b = Buffer.from(given.toLowerCase());
  return a.length === b.length && timingSafeEqual(a, b);
}
