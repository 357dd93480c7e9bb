/**
 * Whole seconds until an instant, as Expires says them: never fewer than 0, and a part of a second counts as one, so that what still lives is not said to
 * be over. Never more than were granted at `nowMs` or before: a sum of clock readings is off by less than a microsecond, which is no part of a second.
 * @see RFC 6665 §4.2.1.1, RFC 3261 §10.3 step 7
 */
export function secondsLeft(expiresAtMs: number, nowMs: number): number {
  return Math.max(0, Math.ceil(Math.round(expiresAtMs - nowMs) / 1000));
}
