import type { ExpiryRules } from "../runtime/expiry-rules.ts";

/** Seconds granted; `too-brief` when the request is below the minimum. 0 stays 0: it ends what is there. */
export function grantedSeconds(asked: number | undefined, rules: ExpiryRules): number | "too-brief" {
  if (asked === undefined) return rules.defaultSeconds;
  if (asked === 0) return 0;
  if (asked < rules.minSeconds) return "too-brief";
  return Math.min(asked, rules.maxSeconds);
}

/**
 * Value of an Expires field: `undefined` without one, `malformed` when it is no number.
 * @see RFC 3261 §20.19 (delta-seconds up to 2^32−1)
 */
export function readExpires(value: string | undefined): number | undefined | "malformed" {
  if (value === undefined) return undefined;
  const text = value.trim();
  return /^\d{1,10}$/.test(text) ? Math.min(Number(text), 2 ** 32 - 1) : "malformed";
}
