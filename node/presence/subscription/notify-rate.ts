/** Longest time between two NOTIFYs that a subscriber can ask for: beyond an expiry there would be none. */
const INTERVAL_MAX_MS = 7_200_000;

/**
 * Least time between NOTIFYs that `max-rate` asks for, ms; `undefined` when it is absent or malformed, which asks for nothing.
 * @see RFC 6446 §5.2, §9.2 (NOTIFYs a second, a decimal number above 0)
 */
export function readMaxRate(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,2}(?:\.\d{1,10})?$/.test(text)) return undefined;
  const rate = Number(text);
  return rate > 0 ? Math.min(Math.ceil(1000 / rate), INTERVAL_MAX_MS) : undefined;
}

/** Inverse of {@link readMaxRate}. */
export function formatRate(intervalMs: number): string {
  return (1000 / intervalMs).toFixed(6).replace(/\.?0+$/, "");
}
