/**
 * Whose turn it is to be pinged: everybody's once in an interval, whoever else comes and goes, as a way that was silent for longer is closed. Who is new comes first. Time comes in
 * with each call, and nothing is remembered of anybody but their next turn.
 */
export class PingRound<Key> {
  readonly #new = new Set<Key>();
  /** When the next turn of the others is, in the order of their turns. */
  readonly #turns = new Map<Key, number>();
  readonly #intervalMs: number;
  readonly #atOnce: number;

  /** @param atOnce turns that one call gives at most: with more to do than that, the interval becomes longer */
  constructor(intervalMs: number, atOnce: number) {
    this.#intervalMs = intervalMs;
    this.#atOnce = atOnce;
  }

  /** Who is in the round already keeps their turn. */
  add(key: Key): void {
    if (!this.#turns.has(key)) this.#new.add(key);
  }

  remove(key: Key): void {
    this.#new.delete(key);
    this.#turns.delete(key);
  }

  /** Those whose turn has come. */
  take(nowMs: number): readonly Key[] {
    const taken = [...this.#due(nowMs)];
    for (const key of taken) {
      this.remove(key);
      this.#turns.set(key, nowMs + this.#intervalMs);
    }
    return taken;
  }

  *#due(nowMs: number): Iterable<Key> {
    let left = this.#atOnce;
    for (const key of this.#new) {
      if (left-- <= 0) return;
      yield key;
    }
    for (const [key, turnMs] of this.#turns) {
      if (left-- <= 0 || turnMs > nowMs) return;
      yield key;
    }
  }
}
