import type { Clock, MonotonicMs } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Timers } from "../runtime/timers.ts";
import type { ExpiryStore } from "./ports.ts";
import { WriteFailures } from "./write-failures.ts";

export interface SteadyWallComponents {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly store: ExpiryStore;
  readonly logger: Logger;
}

/**
 * The clock of what clients register, publish and subscribe to, and of messages that wait: while the node runs that counts by the monotonic clock, and on disk, for the next run, by the wall clock.
 * When the wall clock is set, what is on disk is moved along, so that none of it ends before its time or is kept for longer; until then the clock goes on as before.
 */
export class SteadyWall implements Clock {
  readonly #components: SteadyWallComponents;
  readonly #failures: WriteFailures;
  /** From the monotonic clock to the wall clock, ms. */
  #offsetMs: number;
  /** Messages up to this one were held in earlier runs, by the clock of that time. */
  readonly #lastHeldId: number;
  #cancel = () => {};

  constructor(components: SteadyWallComponents) {
    this.#components = components;
    this.#failures = new WriteFailures(components);
    this.#offsetMs = offsetOf(components.clock);
    this.#lastHeldId = components.store.lastHeldId();
  }

  monotonicMs(): MonotonicMs {
    return this.#components.clock.monotonicMs();
  }

  /** Whole ms, as they are stored. */
  wallMs(): number {
    return Math.round(this.monotonicMs() + this.#offsetMs);
  }

  start(): void {
    this.#look();
  }

  stop(): void {
    this.#cancel();
  }

  #look(): void {
    const { clock, timers, store, logger } = this.#components;
    this.#cancel = timers.after(limits.storage.clockLookMs, () => this.#look());
    const byMs = Math.round(offsetOf(clock) - this.#offsetMs);
    if (Math.abs(byMs) < limits.storage.clockStepMs) return;
    try {
      store.move(byMs, this.#lastHeldId);
    } catch (error) {
      return this.#failures.tell(error, "the clock was set, and what is on disk could not be moved along", { byMs });
    }
    this.#offsetMs += byMs;
    logger.warn({ byMs }, "the clock of this machine was set");
  }
}

function offsetOf(clock: Clock): number {
  return clock.wallMs() - clock.monotonicMs();
}
