import type { Aor } from "../../dht-schema/aor.ts";
import type { Clock } from "../runtime/clock.ts";
import type { LoopTime } from "./time-shares.ts";
import { TimeShares } from "./time-shares.ts";

/** What is known of the thread of the event loop. */
interface LoopThread {
  /** For how long it has waited for something to do, in all. */
  idleMs(): number;
  /** For how long it has had a CPU, in all. */
  cpuMs(): number;
}

/** The thread that this runs in. Before Node 23.9 the CPU time of the process's other threads counts, too. */
const thisThread: LoopThread = {
  idleMs: () => performance.eventLoopUtilization().idle,
  cpuMs() {
    const { threadCpuUsage, cpuUsage } = process;
    const { user, system } = (threadCpuUsage ?? cpuUsage)();
    return (user + system) / 1000;
  },
};

/** Counts for users what they take of the time of the event loop: what other processes take meanwhile, or the time for which the machine sleeps, is not theirs. */
export class UserTimes {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #thread: LoopThread;
  readonly #shares: TimeShares;
  #isCounting = false;

  constructor(clock: Pick<Clock, "monotonicMs">, thread = thisThread) {
    this.#clock = clock;
    this.#thread = thread;
    this.#shares = new TimeShares(this.#now());
  }

  /** Whether one more request of a user is to be served. */
  isLeft(user: Aor): boolean {
    return this.#shares.isLeft(user, this.#now());
  }

  /** Does what a user is the cause of, as far as that is known, and what is done within it. Of a promise, until it is made. */
  during<Result>(user: Aor | undefined, work: () => Result): Result {
    if (user === undefined || this.#isCounting) return work();
    const startMs = this.#thread.cpuMs();
    this.#isCounting = true;
    try {
      return work();
    } finally {
      this.#isCounting = false;
      this.#shares.took(user, this.#thread.cpuMs() - startMs, this.#clock.monotonicMs());
    }
  }

  #now(): LoopTime {
    return { nowMs: this.#clock.monotonicMs(), idleMs: this.#thread.idleMs() };
  }
}
