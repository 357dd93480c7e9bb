/** Keeps a flood of one kind of line out of the log: of each second only the first lines, and the next one says how many were left out. */
export class LineLimit {
  readonly #linesPerSecond: number;
  #secondEndsMs = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #leftOut = 0;

  constructor(linesPerSecond: number) {
    this.#linesPerSecond = linesPerSecond;
  }

  /** What the line has to say besides; `undefined`: it is left out. */
  take(nowMs: number): { readonly leftOut?: number } | undefined {
    if (nowMs >= this.#secondEndsMs) {
      this.#secondEndsMs = nowMs + 1000;
      this.#lines = 0;
    }
    if (this.#lines === this.#linesPerSecond) {
      this.#leftOut++;
      return undefined;
    }
    this.#lines++;
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    return leftOut > 0 ? { leftOut } : {};
  }
}
