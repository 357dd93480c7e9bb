import { limits } from "../runtime/limits.ts";
import type { Timers } from "../runtime/timers.ts";

/**
 * Gives up whoever has said that an INVITE is being seen to, and nothing since: a transaction that has had a provisional response ends by no timer of its own.
 * @see RFC 3261 §16.6 step 11, §16.7 step 2, §16.8
 */
export class TimerC {
  readonly #timers: Timers;
  readonly #giveUp: () => void;
  #cancel = (): void => {};
  #isOver = false;

  /** It runs from now on. */
  constructor(timers: Timers, giveUp: () => void) {
    this.#timers = timers;
    this.#giveUp = giveUp;
    this.again();
  }

  /** Anew, at a sign of life; not after the end. */
  again(): void {
    this.#cancel();
    if (!this.#isOver) this.#cancel = this.#timers.after(limits.session.ringMs, this.#giveUp);
  }

  end(): void {
    this.#isOver = true;
    this.#cancel();
  }
}
