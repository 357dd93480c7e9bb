import type { Clock } from "../../runtime/clock.ts";
import type { Logger } from "../../runtime/logger.ts";
import type { Counters } from "../../runtime/metrics.ts";
import type { SubscriptionStore } from "../../storage/ports.ts";
import { WriteFailures } from "../../storage/write-failures.ts";
import type { KeptSubscription, RestoredSubscription } from "../subscription/stored-subscription.ts";
import { fromStoredSubscription, toStoredSubscription } from "../subscription/stored-subscription.ts";

/**
 * Keeps subscriptions on disk, so that they outlive the process. What changes several times in one turn of the event loop is written once, at
 * its end. A disk that fails is logged and counted; it never ends a subscription.
 */
export class SubscriptionJournal {
  readonly #store: SubscriptionStore;
  readonly #clock: Clock;
  readonly #failures: WriteFailures;
  readonly #counters: Counters;
  /** To be written at the end of this turn, by local tag. */
  readonly #changed = new Map<string, KeptSubscription>();

  constructor(components: {
    readonly store: SubscriptionStore;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly counters: Counters;
  }) {
    this.#store = components.store;
    this.#clock = components.clock;
    this.#failures = new WriteFailures(components);
    this.#counters = components.counters;
  }

  put(subscription: KeptSubscription): void {
    if (this.#changed.size === 0) queueMicrotask(() => this.flush());
    this.#changed.set(subscription.localTag, subscription);
  }

  /** Writes what has changed in this turn. */
  flush(): void {
    const now = this.#now();
    for (const subscription of this.#changed.values())
      this.#attempt(() => this.#store.put(toStoredSubscription(subscription, now)));
    this.#changed.clear();
  }

  remove(localTag: string): void {
    this.#changed.delete(localTag);
    this.#attempt(() => this.#store.remove(localTag));
  }

  /** Those of the last run whose subscribers can still be reached; the others are forgotten. */
  *restore(maxSeconds: number): Iterable<RestoredSubscription> {
    for (const stored of this.#store.list()) {
      const subscription = fromStoredSubscription(stored, this.#now(), maxSeconds);
      if (subscription === undefined) this.remove(stored.localTag);
      else yield subscription;
    }
  }

  #now(): { readonly monotonicMs: number; readonly wallMs: number } {
    return { monotonicMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() };
  }

  #attempt(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#counters.add("presence.disk_failures");
      this.#failures.tell(error, "a subscription on disk is out of date");
    }
  }
}
