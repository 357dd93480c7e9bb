/** What waits in a {@link DeadlineQueue}, which alone writes these. */
export interface Scheduled {
  /** When it is due, whole ms. */
  dueMs: number;
  /** Place among those that are due then, −1 when it is not in the queue. */
  place: number;
}

/** Times that nothing waits for any more may be as many as the others, and these. */
const SPARE_TIMES = 64;

/**
 * Items by due time. Those of one ms are kept together, and a heap holds only the times: where thousands of timers of the same few lengths run,
 * as those of transactions do, putting one in and taking it out costs the same however many there are.
 */
export class DeadlineQueue<T extends Scheduled> {
  readonly #byTime = new Map<number, T[]>();
  /** A binary heap. A time that nothing waits for any more stays until its turn comes, or until there are too many of them. */
  #times: number[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Times in memory, those included that nothing waits for any more. */
  get timesKept(): number {
    return this.#times.length;
  }

  /** When the first item is due; infinite when there is none. */
  get nextMs(): number {
    while (this.#times.length > 0) {
      const first = this.#times[0] as number;
      if (this.#byTime.has(first)) return first;
      this.#dropFirstTime();
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Puts an item in its place for a new due time, which is rounded up to a whole ms; an infinite one takes it out. */
  schedule(item: T, dueMs: number): void {
    const wholeMs = Math.ceil(dueMs);
    if (item.place >= 0 && item.dueMs === wholeMs) return;
    this.remove(item);
    if (wholeMs === Number.POSITIVE_INFINITY) return;
    item.dueMs = wholeMs;
    this.#size++;
    const others = this.#byTime.get(wholeMs);
    if (others !== undefined) {
      item.place = others.push(item) - 1;
      return;
    }
    item.place = 0;
    this.#byTime.set(wholeMs, [item]);
    this.#addTime(wholeMs);
  }

  remove(item: T): void {
    if (item.place < 0) return;
    const others = this.#byTime.get(item.dueMs) as T[];
    const last = others.pop() as T;
    if (last !== item) {
      others[item.place] = last;
      last.place = item.place;
    } else if (others.length === 0) this.#byTime.delete(item.dueMs);
    item.place = -1;
    this.#size--;
  }

  /** Takes out the first item if it is due. */
  takeDue(nowMs: number): T | undefined {
    const { nextMs } = this;
    if (nextMs > nowMs) return undefined;
    const first = this.#byTime.get(nextMs)?.at(-1);
    if (first !== undefined) this.remove(first);
    return first;
  }

  #addTime(ms: number): void {
    if (this.#times.length >= 2 * this.#byTime.size + SPARE_TIMES) {
      this.#times = [...this.#byTime.keys()].toSorted((a, b) => a - b);
      return;
    }
    let at = this.#times.length;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = this.#times[parentAt] as number;
      if (parent <= ms) break;
      this.#times[at] = parent;
      at = parentAt;
    }
    this.#times[at] = ms;
  }

  #dropFirstTime(): void {
    const times = this.#times;
    const last = times.pop() as number;
    const end = times.length;
    if (end === 0) return;
    let at = 0;
    for (;;) {
      let childAt = 2 * at + 1;
      if (childAt >= end) break;
      if (childAt + 1 < end && (times[childAt + 1] as number) < (times[childAt] as number)) childAt++;
      const child = times[childAt] as number;
      if (child >= last) break;
      times[at] = child;
      at = childAt;
    }
    times[at] = last;
  }
}
