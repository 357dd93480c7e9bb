/**
 * Whose turn it is to be pinged: everybody's once in an interval, evenly spread over it. Time comes in with each call, and nothing is remembered of anybody but their
 * place in the round.
 */
export class PingRound<Key> {
  /** In order of their turns. */
  readonly #waiting = new Set<Key>();
  readonly #intervalMs: number;
  readonly #atOnce: number;
  #lastMs: number | undefined;
  /** Pings that are due, with what is left of one. */
  #due = 0;

  /** @param atOnce turns that one call gives at most: with more to do than that, the interval becomes longer */
  constructor(intervalMs: number, atOnce: number) {
    this.#intervalMs = intervalMs;
    this.#atOnce = atOnce;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Who is new waits for one interval; who is in the round already keeps their turn. */
  add(key: Key): void {
    this.#waiting.add(key);
  }

  remove(key: Key): void {
    this.#waiting.delete(key);
  }

  /** Those whose turn has come since the last call. */
  take(nowMs: number): readonly Key[] {
    const elapsedMs = nowMs - (this.#lastMs ?? nowMs);
    this.#lastMs = nowMs;
    const { size } = this.#waiting;
    // What was due while the process stood still is due once.
    this.#due = Math.min(this.#due + (size * elapsedMs) / this.#intervalMs, size, this.#atOnce);
    const taken: Key[] = [];
    for (const key of this.#waiting) {
      if (taken.length + 1 > this.#due) break;
      taken.push(key);
    }
    for (const key of taken) {
      this.#waiting.delete(key);
      this.#waiting.add(key);
    }
    this.#due -= taken.length;
    return taken;
  }
}
