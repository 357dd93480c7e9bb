import { BALLOT_MAX } from "../../../dht-schema/ballot.ts";

/**
 * By how much the counters of a domain may grow in a second, and at once after a quiet time: far more than all its servers together can
 * claim. A counter beyond that is a lie or a fault. Who follows it no faster is in no danger: to use up all counters
 * there are takes half a year of lying.
 */
export const COUNTER_GROWTH_PER_SECOND = 2 ** 24;

/** The Lamport counter of a server's ballots: above every one seen, as far as what was seen can be believed. */
export class BallotCounter {
  #value: number;
  /** How far a counter that is seen may be above ours now. */
  #room = COUNTER_GROWTH_PER_SECOND;
  #roomAtMs: number;

  constructor(nowMs: number, value: number) {
    this.#value = value;
    this.#roomAtMs = nowMs;
  }

  get value(): number {
    return this.#value;
  }

  /** Time passes. */
  pass(nowMs: number): void {
    const grown = Math.floor(((nowMs - this.#roomAtMs) / 1000) * COUNTER_GROWTH_PER_SECOND);
    if (grown <= 0) return;
    this.#roomAtMs = nowMs;
    this.#room = Math.min(COUNTER_GROWTH_PER_SECOND, this.#room + grown);
  }

  /** One above every counter seen; `undefined` when there is none left. */
  next(): number | undefined {
    return this.#value < BALLOT_MAX.counter ? ++this.#value : undefined;
  }

  /** Follows a counter that was seen, as far as it may; returns whether all the way. One that is true is reached in a few steps. */
  follow(counter: number): boolean {
    const ahead = counter - this.#value;
    if (ahead <= 0) return true;
    const step = Math.min(ahead, this.#room);
    this.#value += step;
    this.#room -= step;
    return step === ahead;
  }
}
