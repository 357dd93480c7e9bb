/**
 * Whether one party that uses `used` of a resource, of which `taken` of `max` are taken by all, may take `more`: as much as stays free.
 * One alone so gets half of it at most, two greedy ones a third each, and there is always some left for the next.
 */
export function isShareLeft(used: number, taken: number, max: number, more = 1): boolean {
  return used + more <= max - taken;
}
