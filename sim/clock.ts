/**
 * The monotonic clock of one simulated server: it shows anything at the beginning, and runs at its own rate. Within the
 * domain's bound the rate never changes; a wrong clock changes it, stands still or jumps ahead, but never goes back.
 */
export class SimulatedClock {
  #sinceMs = 0;
  #shownMs: number;
  #rate: number;

  /** @param rate local milliseconds per true millisecond */
  constructor(startMs: number, rate: number) {
    this.#shownMs = startMs;
    this.#rate = rate;
  }

  /** What it shows at an instant of true time. */
  localMs(nowMs: number): number {
    return this.#shownMs + (nowMs - this.#sinceMs) * this.#rate;
  }

  /** When it shows `localMs`, in true time; `Infinity` when it stands still before that. */
  trueMs(localMs: number): number {
    return localMs <= this.#shownMs ? this.#sinceMs : this.#sinceMs + (localMs - this.#shownMs) / this.#rate;
  }

  /** From now on it runs at another rate, after a jump ahead. */
  disturb(nowMs: number, rate: number, aheadMs: number): void {
    this.#shownMs = this.localMs(nowMs) + aheadMs;
    this.#sinceMs = nowMs;
    this.#rate = rate;
  }
}
