import type { Timers } from "../../runtime/timers.ts";

/** Subscribers told in one turn of the event loop: few enough that requests and leases get their turn in between. */
const BATCH = 128;

/**
 * Spreads a change to many subscribers over turns of the event loop. A subscriber that still waits when another change
 * comes is told once, of the newer one.
 */
export class FanOut {
  readonly #timers: Timers;
  readonly #waiting = new Set<{ tell(): void }>();
  #isRunning = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Tells each of them, the first ones at once. */
  tell(subscribers: Iterable<{ tell(): void }>): void {
    for (const subscriber of subscribers) this.#waiting.add(subscriber);
    if (!this.#isRunning) this.#run();
  }

  #run(): void {
    this.#isRunning = true;
    let left = BATCH;
    try {
      for (const subscriber of this.#waiting) {
        if (left === 0) break;
        left -= 1;
        this.#waiting.delete(subscriber);
        subscriber.tell();
      }
    } finally {
      // A fault that one of them brings to light does not keep it from the others.
      this.#isRunning = this.#waiting.size > 0;
      if (this.#isRunning) this.#timers.after(0, () => this.#run());
    }
  }
}
