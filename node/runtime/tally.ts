/** How much there is of each kind; what there is none of takes no memory. */
export class Tally<Key> {
  readonly #counts = new Map<Key, number>();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  of(key: Key): number {
    return this.#counts.get(key) ?? 0;
  }

  /** @param by negative for fewer */
  add(key: Key, by: number): void {
    const count = this.of(key) + by;
    if (count === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
    this.#total += by;
  }
}
