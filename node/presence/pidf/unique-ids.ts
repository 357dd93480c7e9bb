/**
 * Ids of one document, each of which stands there once. However many ask for the same one, the work grows with their number alone.
 * @see RFC 3863 §4.1.2
 */
export class UniqueIds {
  readonly #taken: Set<string>;
  /** The number that was given last, by what it stands behind: all below are taken. */
  readonly #numbers = new Map<string, number>();

  constructor(taken = new Set<string>()) {
    this.#taken = taken;
  }

  /** The id, or where that is taken `id.suffix`, `id.suffix.2` and so on: whichever is the first to be free. */
  take(id: string, suffix: string): string {
    let unique = id;
    if (this.#taken.has(id)) {
      const base = `${id}.${suffix}`;
      let number = this.#numbers.get(base) ?? 0;
      do {
        number += 1;
        unique = number === 1 ? base : `${base}.${number}`;
      } while (this.#taken.has(unique));
      this.#numbers.set(base, number);
    }
    this.#taken.add(unique);
    return unique;
  }
}
