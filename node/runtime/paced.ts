import type { Timers } from "./timers.ts";

/** Spreads many small steps, of however many loops, over turns of the event loop: so many in one, and a pause before the next. */
export class Paced {
  readonly #timers: Timers;
  readonly #atOnce: number;
  readonly #pauseMs: number;
  #left: number;
  #pause: Promise<void> | undefined;

  constructor(timers: Timers, atOnce: number, pauseMs: number) {
    this.#timers = timers;
    this.#atOnce = atOnce;
    this.#pauseMs = pauseMs;
    this.#left = atOnce;
  }

  /** Resolves when the next step may be made. */
  async next(): Promise<void> {
    while (this.#left === 0) await (this.#pause ??= this.#refill());
    this.#left--;
  }

  #refill(): Promise<void> {
    return new Promise((resolve) => {
      this.#timers.after(this.#pauseMs, () => {
        this.#left = this.#atOnce;
        this.#pause = undefined;
        resolve();
      });
    });
  }
}
