import { createHmac, createSecretKey, randomBytes, timingSafeEqual } from "node:crypto";
import type { MonotonicMs } from "../../runtime/clock.ts";

/** What a nonce turns out to be. */
export type NonceState =
  /** Ours, and young enough. */
  | { readonly kind: "fresh"; readonly issuedAtMs: number }
  /** Ours, but too old. */
  | { readonly kind: "expired" }
  /** Not ours, or of an earlier run. */
  | { readonly kind: "foreign" };

const KEY_BYTES = 32;
const TIME_BYTES = 6;
const RANDOM_BYTES = 10;
const SIGNATURE_BYTES = 16;
const BYTES = TIME_BYTES + RANDOM_BYTES + SIGNATURE_BYTES;

/**
 * Nonces that need no memory: time and random octets, signed. A challenge costs an attacker's request nothing to keep. The key lives as long as
 * the memory of which nonces have been used: with one that outlived it, what somebody recorded would be good once more after each restart.
 * @see RFC 7616 §3.3, §5.4, §5.5
 */
export class NonceIssuer {
  /** Made once: from octets one would be made for each nonce, which takes 10 µs of 13. */
  readonly #key = createSecretKey(randomBytes(KEY_BYTES));
  readonly #lifetimeMs: number;

  constructor(lifetimeMs: number) {
    this.#lifetimeMs = lifetimeMs;
  }

  /** @param nowMs of a clock that only goes forward: with one that is set, nonces would live too long, or all be too old */
  issue(nowMs: MonotonicMs): string {
    const nonce = Buffer.alloc(BYTES);
    nonce.writeUIntBE(Math.floor(nowMs), 0, TIME_BYTES);
    randomBytes(RANDOM_BYTES).copy(nonce, TIME_BYTES);
    this.#sign(nonce).copy(nonce, BYTES - SIGNATURE_BYTES);
    return nonce.toString("base64url");
  }

  check(text: string, nowMs: MonotonicMs): NonceState {
    const nonce = Buffer.from(text, "base64url");
    // Only the one spelling of the octets that was issued: replay is tracked by the text.
    if (nonce.length !== BYTES || nonce.toString("base64url") !== text) return { kind: "foreign" };
    if (!timingSafeEqual(this.#sign(nonce), nonce.subarray(BYTES - SIGNATURE_BYTES))) return { kind: "foreign" };
    const issuedAtMs = nonce.readUIntBE(0, TIME_BYTES);
    return nowMs - issuedAtMs < this.#lifetimeMs ? { kind: "fresh", issuedAtMs } : { kind: "expired" };
  }

  #sign(nonce: Buffer): Buffer {
    return createHmac("sha256", this.#key)
      .update(nonce.subarray(0, BYTES - SIGNATURE_BYTES))
      .digest()
      .subarray(0, SIGNATURE_BYTES);
  }
}
