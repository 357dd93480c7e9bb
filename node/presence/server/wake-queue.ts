import type { Clock } from "../../runtime/clock.ts";
import type { Timers } from "../../runtime/timers.ts";

/** Something that has to be called at a time it names itself. */
export interface Wakeable {
  wake(nowMs: number): void;
}

interface Entry {
  readonly atMs: number;
  readonly target: Wakeable;
}

/**
 * One timer for any number of things that wait: hundreds of thousands of subscriptions, each with its expiry.
 * A later time for a target that is queued already costs nothing until the earlier one has come.
 */
export class WakeQueue {
  readonly #clock: Clock;
  readonly #timers: Timers;
  /** Binary heap by time. Holds at most one entry that counts for each target, and some that no longer do. */
  readonly #heap: Entry[] = [];
  readonly #wanted = new Map<Wakeable, number>();
  readonly #queued = new Map<Wakeable, number>();
  #cancel: (() => void) | undefined;
  #armedForMs = Infinity;

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
  }

  /** Wakes `target` at `atMs` in place of whatever it wanted before; `undefined`: not at all. */
  set(target: Wakeable, atMs: number | undefined): void {
    if (atMs === undefined) {
      this.#wanted.delete(target);
      return;
    }
    this.#wanted.set(target, atMs);
    if (atMs < (this.#queued.get(target) ?? Infinity)) {
      this.#queued.set(target, atMs);
      this.#push({ atMs, target });
      this.#arm();
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#cancel?.();
    this.#armedForMs = Infinity;
    this.#heap.length = 0;
    this.#wanted.clear();
    this.#queued.clear();
  }

  #arm(): void {
    const next = this.#heap[0]?.atMs;
    if (next === undefined || next >= this.#armedForMs) return;
    this.#cancel?.();
    this.#armedForMs = next;
    this.#cancel = this.#timers.after(Math.max(0, next - this.#clock.monotonicMs()), () => this.#run());
  }

  #run(): void {
    this.#armedForMs = Infinity;
    const nowMs = this.#clock.monotonicMs();
    for (let first = this.#heap[0]; first !== undefined && first.atMs <= nowMs; first = this.#heap[0]) {
      this.#pop();
      this.#fire(first, nowMs);
    }
    this.#arm();
  }

  #fire({ atMs, target }: Entry, nowMs: number): void {
    // An entry that an earlier one has replaced.
    if (this.#queued.get(target) !== atMs) return;
    this.#queued.delete(target);
    const wantedMs = this.#wanted.get(target);
    if (wantedMs === undefined) return;
    if (wantedMs > nowMs) {
      this.set(target, wantedMs);
      return;
    }
    this.#wanted.delete(target);
    target.wake(nowMs);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((heap[parent] as Entry).atMs <= entry.atMs) break;
      heap[at] = heap[parent] as Entry;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      const right = heap[child + 1];
      if (right !== undefined && right.atMs < (heap[child] as Entry).atMs) child += 1;
      if ((heap[child] as Entry).atMs >= last.atMs) break;
      heap[at] = heap[child] as Entry;
      at = child;
    }
    heap[at] = last;
  }
}
