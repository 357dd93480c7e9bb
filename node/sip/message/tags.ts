import { randomBytes } from "node:crypto";
import { BRANCH_COOKIE } from "./via.ts";

// Random octets are drawn in blocks: one call into the crypto library costs more than the octets.
const BLOCK_BYTES = 4096;
let block = Buffer.alloc(0);
let used = 0;

function randomHex(octets: number): string {
  if (used + octets > block.length) {
    block = randomBytes(BLOCK_BYTES);
    used = 0;
  }
  return block.toString("hex", used, (used += octets));
}

/** A From or To tag: 64 random bits. @see RFC 3261 §19.3 (at least 32) */
export function randomTag(): string {
  return randomHex(8);
}

/**
 * A branch unlike any other: the cookie and 128 random bits, and behind them what tells a loop from a spiral where a request is sent on.
 * @see RFC 3261 §8.1.1.7, RFC 5393 §4.2.1
 */
export function randomBranch(loopPart?: string): string {
  const branch = BRANCH_COOKIE + randomHex(16);
  return loopPart === undefined ? branch : `${branch}.${loopPart}`;
}

/** A Call-ID: 128 random bits. @see RFC 3261 §8.1.1.4 */
export function randomCallId(): string {
  return randomHex(16);
}
