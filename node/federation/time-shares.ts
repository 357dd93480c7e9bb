import { limits } from "../runtime/limits.ts";
import { RecentMap } from "../runtime/recent-map.ts";
import { isShareLeft } from "../runtime/share.ts";

/** A moment of the event loop. */
export interface LoopTime {
  /** Monotonic. */
  readonly nowMs: number;
  /** For how long the loop has waited for something to do, in all. */
  readonly idleMs: number;
}

/** Time that was taken lately: what is longer ago counts less and less. */
interface Taken {
  readonly ms: number;
  readonly atMs: number;
}

const NONE: Taken = { ms: 0, atMs: 0 };

export type TimeRules = typeof limits.federation.time;

/**
 * The time of the one thread that serves all. One party may have as much of it as is free, so that nobody takes it from the others; who has had little is always served, however busy the
 * loop is. Sans-I/O.
 */
export class TimeShares {
  readonly #rules: TimeRules;
  readonly #parties: RecentMap<string, Taken>;
  /** Of the latest window, what was taken by all, and by what is nobody's. */
  #allMs = 0;
  #before: LoopTime;

  constructor(start: LoopTime, rules: TimeRules = limits.federation.time) {
    this.#rules = rules;
    this.#before = start;
    this.#parties = new RecentMap(rules.remembered);
  }

  /** Whether one more request of a party is to be served. */
  isLeft(party: string, now: LoopTime): boolean {
    this.#note(now);
    const { windowMs, littleMs } = this.#rules;
    const ms = this.#lately(this.#parties.get(party) ?? NONE, now.nowMs);
    return ms < littleMs || isShareLeft(ms, this.#allMs, windowMs, 0);
  }

  /** A party has had so much of a CPU. */
  took(party: string, ms: number, nowMs: number): void {
    const before = this.#parties.get(party) ?? NONE;
    this.#parties.set(party, { ms: this.#lately(before, nowMs) + ms, atMs: nowMs });
  }

  #note(now: LoopTime): void {
    const { nowMs, idleMs } = this.#before;
    const sinceMs = now.nowMs - nowMs;
    if (sinceMs <= 0) return;
    const busy = Math.max(0, 1 - (now.idleMs - idleMs) / sinceMs);
    const left = this.#leftOf(sinceMs);
    // As if it had been as busy all the while.
    this.#allMs = this.#allMs * left + busy * this.#rules.windowMs * (1 - left);
    this.#before = now;
  }

  #lately({ ms, atMs }: Taken, nowMs: number): number {
    return ms * this.#leftOf(nowMs - atMs);
  }

  /** What still counts of what was taken so long ago, of 1. */
  #leftOf(agoMs: number): number {
    return Math.exp(-agoMs / this.#rules.windowMs);
  }
}
