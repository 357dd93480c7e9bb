import type { ServerId } from "../../dht-schema/roster.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";

/** How often at most the log speaks of one server's faults, ms: they are counted all the same. */
const QUIET_MS = 10_000;

/** Counts what other servers do against the rules, and tells the log so without letting them fill it. */
export class MemberFaults {
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #logger: Logger;
  readonly #told = new Map<ServerId, number>();

  constructor(components: { readonly clock: Clock; readonly counters: Counters; readonly logger: Logger }) {
    this.#clock = components.clock;
    this.#counters = components.counters;
    this.#logger = components.logger;
  }

  note(from: ServerId, counter: string, fault: string): void {
    this.#counters.add(counter);
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < (this.#told.get(from) ?? -Infinity) + QUIET_MS) return;
    this.#told.set(from, nowMs);
    this.#logger.warn({ from, fault }, "a server of the domain breaks the rules; what it sent was dropped");
  }
}
