/** When a node has too much to do, judged by how late its timers are. */
export interface OverloadRules {
  /** How often it is looked at. */
  readonly sampleMs: number;
  /** Lateness above which new work is shed. */
  readonly lateMs: number;
  /** As many samples in a row have to be late: a pause, as of a process that was stopped, is no overload. */
  readonly samples: number;
}

/** The share of new work that is shed grows by it with each late sample, and shrinks by half of it with each other. */
const STEP = 0.2;

/**
 * Sheds as much new work as is needed for the event loop to keep up, no more: the share grows while the loop is late and shrinks while
 * it is not. Whoever drives it measures; this decides.
 */
export class Overload {
  readonly #rules: OverloadRules;
  #late = 0;
  #share = 0;
  /** Shed work that is due, as a fraction of a request. */
  #owed = 0;

  constructor(rules: OverloadRules) {
    this.#rules = rules;
  }

  /** How much of the new work is shed, 0 to 1. */
  get share(): number {
    return this.#share;
  }

  /** @param lateMs how late the sample was taken */
  sample(lateMs: number): void {
    if (lateMs < this.#rules.lateMs) {
      this.#late = 0;
      this.#share = Math.max(0, this.#share - STEP / 2);
      return;
    }
    this.#late++;
    if (this.#late >= this.#rules.samples) this.#share = Math.min(1, this.#share + STEP);
  }

  /** Whether the next piece of new work is to be shed. */
  sheds(): boolean {
    this.#owed += this.#share;
    if (this.#owed < 1) return false;
    this.#owed -= 1;
    return true;
  }
}
