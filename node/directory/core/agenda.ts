/** An entry of an {@link Agenda}; `cancel` makes it never run. */
export interface Appointment {
  cancel(): void;
}

class Entry implements Appointment {
  readonly atMs: number;
  run: ((nowMs: number) => void) | undefined;

  constructor(atMs: number, run: (nowMs: number) => void) {
    this.atMs = atMs;
    this.run = run;
  }

  cancel(): void {
    this.run = undefined;
  }
}

/** What a core wants done later: a binary heap by time, run by whoever knows the time. It holds no timer itself. */
export class Agenda {
  readonly #heap: Entry[] = [];

  /** When the next entry is due, `Infinity` when there is none. */
  get nextMs(): number {
    // Cancelled ones go when their turn comes: nobody has to wake for them.
    while (this.#heap[0] !== undefined && this.#heap[0].run === undefined) this.#pop();
    return this.#heap[0]?.atMs ?? Infinity;
  }

  /** Runs `run` at the first {@link runDue} whose time is `atMs` or later. */
  add(atMs: number, run: (nowMs: number) => void): Appointment {
    const entry = new Entry(atMs, run);
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((heap[parent] as Entry).atMs <= atMs) break;
      heap[at] = heap[parent] as Entry;
      at = parent;
    }
    heap[at] = entry;
    return entry;
  }

  /** Runs what is due at `nowMs`, in order of time. */
  runDue(nowMs: number): void {
    while (this.nextMs <= nowMs) this.#pop().run?.(nowMs);
  }

  #pop(): Entry {
    const heap = this.#heap;
    const top = heap[0] as Entry;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as Entry).atMs < (heap[child] as Entry).atMs) child++;
      if ((heap[child] as Entry).atMs >= last.atMs) break;
      heap[at] = heap[child] as Entry;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}
