/** What waits in an {@link AnsweredQueue}. The queue alone writes `nextAnswered`. */
export interface Answered {
  readonly answeredAtMs: number;
  /** No longer kept: it only waits for those before it. */
  readonly ended: boolean;
  nextAnswered: this | undefined;
}

/** What was answered, in that order. What has ended leaves when all before it have. */
export class AnsweredQueue<T extends Answered> {
  #first: T | undefined;
  #last: T | undefined;

  push(item: T): void {
    if (this.#last === undefined) this.#first = item;
    else this.#last.nextAnswered = item;
    this.#last = item;
  }

  /** The one answered longest ago, if that was at the given time or before. */
  oldest(answeredByMs: number): T | undefined {
    return this.#first !== undefined && this.#first.answeredAtMs <= answeredByMs ? this.#first : undefined;
  }

  /** Lets go of what has ended: to be called when something has. */
  skipEnded(): void {
    while (this.#first?.ended === true) {
      const { nextAnswered } = this.#first;
      this.#first.nextAnswered = undefined;
      this.#first = nextAnswered;
    }
    if (this.#first === undefined) this.#last = undefined;
  }
}
