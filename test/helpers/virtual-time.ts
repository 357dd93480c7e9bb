import type { Clock, MonotonicMs } from "../../node/runtime/clock.ts";
import type { Timers } from "../../node/runtime/timers.ts";

interface Wake {
  readonly atMs: number;
  readonly order: number;
  readonly wake: () => void;
}

/** Lets everything that waits only for promises go on. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A clock and timers that stand still until a test moves them. */
export class VirtualTime implements Clock, Timers {
  #nowMs = 1_000_000;
  #order = 0;
  #wallOffsetMs = Date.UTC(2030, 0, 1);
  readonly #wakes = new Set<Wake>();
  /** Whether all that is due in one ms is dealt with in one turn of the event loop, as in a process that has much to do; else each has one of its own. */
  isBusy = false;

  monotonicMs(): MonotonicMs {
    return this.#nowMs as MonotonicMs;
  }

  wallMs(): number {
    return this.#nowMs + this.#wallOffsetMs;
  }

  /** The wall clock jumps; monotonic time does not notice. */
  stepWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  after(delayMs: number, wake: () => void): () => void {
    this.#order += 1;
    const entry = { atMs: this.#nowMs + Math.max(delayMs, 0), order: this.#order, wake };
    this.#wakes.add(entry);
    return () => void this.#wakes.delete(entry);
  }

  /** Runs everything that is due within `ms`, in order, and what follows from it; then it is `ms` later. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#wake(next);
      while (this.isBusy) {
        const other = this.#next(next.atMs);
        if (other === undefined) break;
        this.#wake(other);
      }
      await settle();
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  /** What is done at this moment takes so long, and keeps all else from being done. */
  spend(ms: number): void {
    this.#nowMs += ms;
  }

  /** Moves time on until a promise has settled. @throws when it has not after `limitMs` of virtual time */
  async until<T>(promise: Promise<T>, limitMs = 120_000): Promise<T> {
    let isSettled = false;
    const mark = (): void => void (isSettled = true);
    promise.then(mark, mark);
    const endMs = this.#nowMs + limitMs;
    await settle();
    while (!isSettled) {
      const next = this.#next(endMs);
      if (next === undefined) throw new Error(`still waiting after ${limitMs} ms of virtual time`);
      await this.advance(Math.max(next.atMs - this.#nowMs, 0));
    }
    return promise;
  }

  #wake(entry: Wake): void {
    this.#wakes.delete(entry);
    this.#nowMs = Math.max(this.#nowMs, entry.atMs);
    entry.wake();
  }

  #next(endMs: number): Wake | undefined {
    let next: Wake | undefined;
    for (const wake of this.#wakes) {
      if (wake.atMs > endMs) continue;
      if (next === undefined || wake.atMs < next.atMs || (wake.atMs === next.atMs && wake.order < next.order))
        next = wake;
    }
    return next;
  }
}
