import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** What a nonce turns out to be. */
export type NonceState =
  /** Ours, of this realm, and young enough. */
  | { readonly kind: "fresh"; readonly issuedAtMs: number }
  /** Ours, but too old. */
  | { readonly kind: "expired" }
  /** Not ours, or of another realm or key. */
  | { readonly kind: "foreign" };

const TIME_BYTES = 6;
const RANDOM_BYTES = 10;
const SIGNATURE_BYTES = 16;
const BYTES = TIME_BYTES + RANDOM_BYTES + SIGNATURE_BYTES;

/**
 * Nonces that need no memory: time and random octets, signed for one realm. A challenge costs an attacker's request
 * nothing to keep, and servers with the same key accept each other's.
 * @see RFC 7616 §3.3, §5.4
 */
export class NonceIssuer {
  readonly #key: Uint8Array;
  readonly #realm: string;
  readonly #lifetimeMs: number;

  constructor(key: Uint8Array, realm: string, lifetimeMs: number) {
    this.#key = key;
    this.#realm = realm;
    this.#lifetimeMs = lifetimeMs;
  }

  /** @param nowMs wall clock: a nonce outlives the process that made it */
  issue(nowMs: number): string {
    const nonce = Buffer.alloc(BYTES);
    nonce.writeUIntBE(Math.floor(nowMs), 0, TIME_BYTES);
    randomBytes(RANDOM_BYTES).copy(nonce, TIME_BYTES);
    this.#sign(nonce).copy(nonce, BYTES - SIGNATURE_BYTES);
    return nonce.toString("base64url");
  }

  check(text: string, nowMs: number): NonceState {
    const nonce = Buffer.from(text, "base64url");
    // Only the one spelling of the octets that was issued: replay is tracked by the text.
    if (nonce.length !== BYTES || nonce.toString("base64url") !== text) return { kind: "foreign" };
    if (!timingSafeEqual(this.#sign(nonce), nonce.subarray(BYTES - SIGNATURE_BYTES))) return { kind: "foreign" };
    const issuedAtMs = nonce.readUIntBE(0, TIME_BYTES);
    // One from the future was issued before the clock was set back: it would live too long.
    const ageMs = nowMs - issuedAtMs;
    return ageMs >= -1 && ageMs < this.#lifetimeMs ? { kind: "fresh", issuedAtMs } : { kind: "expired" };
  }

  #sign(nonce: Buffer): Buffer {
    return createHmac("sha256", this.#key)
      .update(nonce.subarray(0, BYTES - SIGNATURE_BYTES))
      .update(this.#realm)
      .digest()
      .subarray(0, SIGNATURE_BYTES);
  }
}
