import type { Aor } from "../../dht-schema/aor.ts";
import type { Clock } from "../runtime/clock.ts";
import type { LoopTime } from "./time-shares.ts";
import { TimeShares } from "./time-shares.ts";

/** Counts for users what they take of the time of the event loop. */
export class UserTimes {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #idleMs: () => number;
  readonly #shares: TimeShares;
  #isCounting = false;

  /** @param idleMs how long the event loop has waited for something to do, in all */
  constructor(clock: Pick<Clock, "monotonicMs">, idleMs = () => performance.eventLoopUtilization().idle) {
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#shares = new TimeShares(this.#now());
  }

  /** Whether one more request of a user is to be served. */
  isLeft(user: Aor): boolean {
    return this.#shares.isLeft(user, this.#now());
  }

  /** Does what a user is the cause of, as far as that is known, and what is done within it. Of a promise, until it is made. */
  during<Result>(user: Aor | undefined, work: () => Result): Result {
    if (user === undefined || this.#isCounting) return work();
    const startMs = this.#clock.monotonicMs();
    this.#isCounting = true;
    try {
      return work();
    } finally {
      this.#isCounting = false;
      const nowMs = this.#clock.monotonicMs();
      this.#shares.took(user, nowMs - startMs, nowMs);
    }
  }

  #now(): LoopTime {
    return { nowMs: this.#clock.monotonicMs(), idleMs: this.#idleMs() };
  }
}
