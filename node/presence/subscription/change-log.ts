/** What a subscriber who has an earlier version has to be told. */
export interface Changes<Item> {
  /** All there is, in place of what was told before. */
  readonly full: boolean;
  /** What there is, or what is another than before; with what has gone, in its last state. */
  readonly items: readonly Item[];
}

/** What one document holds. */
export interface DocumentBounds<Item> {
  readonly items: number;
  readonly bytes: number;
  /** How much room an item takes, at most. */
  readonly bytesOf: (item: Item) => number;
}

interface Entry<Item> {
  readonly item: Item;
  /** The version that it came with. */
  readonly version: number;
}

/**
 * A state in parts, each with an id, and what has changed in it of late: so that every subscriber gets only what is new to them,
 * without a copy of the state for each.
 */
export class ChangeLog<Item> {
  readonly #remembered: number;
  readonly #items = new Map<string, Entry<Item>>();
  /** Oldest first. */
  readonly #gone: Entry<Item>[] = [];
  /** Who has no later version than this gets all. */
  #forgottenVersion = 0;
  #version = 1;

  /** @param remembered how many items that have gone are kept, for those who have not heard of it */
  constructor(remembered: number) {
    this.#remembered = remembered;
  }

  /** Another number after each change. */
  get version(): number {
    return this.#version;
  }

  get(id: string): Item | undefined {
    return this.#items.get(id)?.item;
  }

  ids(): Iterable<string> {
    return this.#items.keys();
  }

  set(id: string, item: Item): void {
    this.#version += 1;
    this.#items.set(id, { item, version: this.#version });
  }

  /** @param last what is told of it once more; does nothing when it is not there */
  remove(id: string, last: (item: Item) => Item): void {
    const entry = this.#items.get(id);
    if (entry === undefined) return;
    this.#version += 1;
    this.#items.delete(id);
    this.#gone.push({ item: last(entry.item), version: this.#version });
    if (this.#gone.length > this.#remembered) this.#forgottenVersion = this.#gone.shift()?.version ?? 0;
  }

  /** @param version that the subscriber has; `undefined`: none */
  since(version: number | undefined): Changes<Item> {
    if (version === undefined || version < this.#forgottenVersion)
      return { full: true, items: [...this.#items.values()].map(({ item }) => item) };
    const isNew = (entry: Entry<Item>): boolean => entry.version > version;
    const changed = [...this.#gone.filter(isNew), ...[...this.#items.values()].filter(isNew)];
    return { full: false, items: changed.sort((a, b) => a.version - b.version).map(({ item }) => item) };
  }

  /** As {@link since}, as far as one document holds it: where more has changed, all that it can hold, the newest first of all. */
  told(version: number | undefined, bounds: DocumentBounds<Item>): Changes<Item> {
    const changes = this.since(version);
    if (newestWithin(changes.items, bounds).length === changes.items.length) return changes;
    return { full: true, items: newestWithin(this.since(undefined).items, bounds) };
  }
}

/** @param all oldest first */
function newestWithin<Item>(all: readonly Item[], { items, bytes, bytesOf }: DocumentBounds<Item>): readonly Item[] {
  let from = all.length;
  let left = bytes;
  while (from > 0 && all.length - from < items) {
    left -= bytesOf(all[from - 1] as Item);
    if (left < 0) break;
    from -= 1;
  }
  return all.slice(from);
}
