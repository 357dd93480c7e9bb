/** What waits in a {@link DeadlineQueue}. The queue alone writes `heapIndex`. */
export interface Scheduled {
  /** When it is due, ms. */
  dueMs: number;
  /** Place in the queue, −1 when it is not in it. */
  heapIndex: number;
}

/** A binary heap by due time whose items know their place, so that moving and removing one costs O(log n) too. */
export class DeadlineQueue<T extends Scheduled> {
  readonly #heap: T[] = [];

  get size(): number {
    return this.#heap.length;
  }

  /** When the first item is due; infinite when there is none. */
  get nextMs(): number {
    return this.#heap[0]?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  /** Puts an item in its place for a new due time; an infinite one takes it out. */
  schedule(item: T, dueMs: number): void {
    if (dueMs === Number.POSITIVE_INFINITY) return this.remove(item);
    const earlier = dueMs < item.dueMs;
    item.dueMs = dueMs;
    if (item.heapIndex < 0) {
      this.#heap.push(item);
      this.#up(item, this.#heap.length - 1);
    } else if (earlier) this.#up(item, item.heapIndex);
    else this.#down(item, item.heapIndex);
  }

  remove(item: T): void {
    const at = item.heapIndex;
    if (at < 0) return;
    item.heapIndex = -1;
    const last = this.#heap.pop() as T;
    if (last === item) return;
    this.#up(last, at);
    this.#down(last, last.heapIndex);
  }

  /** Takes out the first item if it is due. */
  takeDue(nowMs: number): T | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.dueMs > nowMs) return undefined;
    this.remove(first);
    return first;
  }

  #up(item: T, at: number): void {
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = this.#heap[parentAt] as T;
      if (parent.dueMs <= item.dueMs) break;
      this.#place(parent, at);
      at = parentAt;
    }
    this.#place(item, at);
  }

  #down(item: T, at: number): void {
    for (;;) {
      let childAt = 2 * at + 1;
      if (childAt >= this.#heap.length) break;
      const right = this.#heap[childAt + 1];
      if (right !== undefined && right.dueMs < (this.#heap[childAt] as T).dueMs) childAt++;
      const child = this.#heap[childAt] as T;
      if (child.dueMs >= item.dueMs) break;
      this.#place(child, at);
      at = childAt;
    }
    this.#place(item, at);
  }

  #place(item: T, at: number): void {
    this.#heap[at] = item;
    item.heapIndex = at;
  }
}
