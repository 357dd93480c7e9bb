/**
 * A map that remembers what was used last: at most `capacity` entries, and always the half of them used most recently.
 *
 * A `Map` whose keys are deleted and put in anew, so that its first key is the oldest, looks like the way to do that and is not: what is
 * deleted stays in its table until that is full, so finding the first key passes over all that were deleted before it (11 µs of 65,536),
 * and a key that comes often leaves a chain of its own holes (80 µs). Here entries are in two generations. One that is used comes into the
 * young one; when that is full it becomes the old one, and what was in the old one still is forgotten as a whole.
 */
export class RecentMap<Key, Value extends {}> {
  readonly #generation: number;
  readonly #onForgotten: ((forgotten: ReadonlyMap<Key, Value>) => void) | undefined;
  #young = new Map<Key, Value>();
  #old = new Map<Key, Value>();

  /**
   * @param capacity at least 2
   * @param onForgotten told of what was pushed out by newer entries; not of what was deleted
   */
  constructor(capacity: number, onForgotten?: (forgotten: ReadonlyMap<Key, Value>) => void) {
    this.#generation = Math.floor(capacity / 2);
    this.#onForgotten = onForgotten;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** The value of a key, which counts as used now. */
  get(key: Key): Value | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  /** Whether the key is known, which does not count as use. */
  has(key: Key): boolean {
    return this.#young.has(key) || this.#old.has(key);
  }

  set(key: Key, value: Value): void {
    this.#old.delete(key);
    this.#young.set(key, value);
    if (this.#young.size < this.#generation) return;
    const forgotten = this.#old;
    this.#old = this.#young;
    this.#young = new Map();
    if (forgotten.size > 0) this.#onForgotten?.(forgotten);
  }

  delete(key: Key): boolean {
    return this.#young.delete(key) || this.#old.delete(key);
  }

  /** The older generation first; within one, in the order in which keys came into it. */
  *entries(): Iterable<readonly [Key, Value]> {
    yield* this.#old;
    yield* this.#young;
  }
}
