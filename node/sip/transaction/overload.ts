/** When a node has too much to do, judged by how late its timers are. */
export interface OverloadRules {
  /** How often it is looked at. */
  readonly sampleMs: number;
  /** Lateness above which new work is shed. */
  readonly lateMs: number;
  /** As many samples in a row have to be late: a pause, as of a process that was stopped, is no overload. */
  readonly samples: number;
}

/** The share of work that is shed grows by it with each late sample, and shrinks by half of it with each other. */
const STEP = 0.2;

/** What a request begins, or what it says that it goes on with: anybody can say so. */
export type Work = "new" | "going-on";

/**
 * Sheds as much work as is needed for the event loop to keep up, no more: the share grows while the loop is late and shrinks while
 * it is not. What is new comes first, and only where all of it is shed and the loop is late all the same what goes on, too. Whoever drives it measures; this decides.
 */
export class Overload {
  readonly #rules: OverloadRules;
  #late = 0;
  readonly #shares: Record<Work, number> = { new: 0, "going-on": 0 };
  /** Shed work that is due, as a fraction of a request. */
  readonly #owed: Record<Work, number> = { new: 0, "going-on": 0 };

  constructor(rules: OverloadRules) {
    this.#rules = rules;
  }

  /** @param lateMs how late the sample was taken */
  sample(lateMs: number): void {
    if (lateMs < this.#rules.lateMs) {
      this.#late = 0;
      for (const work of ["new", "going-on"] as const) this.#change(work, -STEP / 2);
      return;
    }
    this.#late++;
    if (this.#late >= this.#rules.samples) this.#change(this.#shares.new < 1 ? "new" : "going-on", STEP);
  }

  /** Whether the next piece of it is to be shed. */
  sheds(work: Work): boolean {
    this.#owed[work] += this.#shares[work];
    if (this.#owed[work] < 1) return false;
    this.#owed[work] -= 1;
    return true;
  }

  #change(work: Work, by: number): void {
    this.#shares[work] = Math.min(1, Math.max(0, this.#shares[work] + by));
  }
}
