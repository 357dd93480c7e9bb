import { RecentMap } from "../../runtime/recent-map.ts";
import { detached } from "../message/lexical.ts";

const WINDOW = 32;

interface Seen {
  readonly issuedAtMs: number;
  /** Highest nonce count used. */
  highest: number;
  /** Bit i: `highest − i` was used. */
  recent: number;
}

/**
 * Which nonce counts have been used: each may be used once, so that nobody can send recorded credentials again. Requests
 * of one client may overtake each other by up to 32.
 *
 * Its memory is bounded: when full it forgets the nonces used longest ago, and from then on believes none as old as these that it does not know.
 * @see RFC 7616 §3.3 nc, §5.5
 */
export class NonceCounts {
  readonly #seen: RecentMap<string, Seen>;
  /** Unknown nonces issued at or before this time are refused. */
  #floorMs = Number.NEGATIVE_INFINITY;

  constructor(capacity: number) {
    this.#seen = new RecentMap(capacity, (forgotten) => {
      for (const { issuedAtMs } of forgotten.values()) this.#floorMs = Math.max(this.#floorMs, issuedAtMs);
    });
  }

  get size(): number {
    return this.#seen.size;
  }

  /** Marks a count as used; false when it was used before, or when that cannot be told any more. */
  use(nonce: string, issuedAtMs: number, count: number): boolean {
    const seen = this.#seen.get(nonce);
    if (seen === undefined) {
      if (issuedAtMs <= this.#floorMs) return false;
      this.#seen.set(detached(nonce), { issuedAtMs, highest: count, recent: 1 });
      return true;
    }
    const ahead = count - seen.highest;
    if (ahead > 0) {
      seen.recent = ahead >= WINDOW ? 1 : (seen.recent << ahead) | 1;
      seen.highest = count;
      return true;
    }
    const bit = 1 << -ahead;
    if (-ahead >= WINDOW || (seen.recent & bit) !== 0) return false;
    seen.recent |= bit;
    return true;
  }
}
