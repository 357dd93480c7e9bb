import type { Clock } from "../../runtime/clock.ts";
import type { Logger } from "../../runtime/logger.ts";
import type { Counters } from "../../runtime/metrics.ts";
import type { SubscriptionStore } from "../../storage/ports.ts";
import type { KeptSubscription, RestoredSubscription } from "../subscription/stored-subscription.ts";
import { fromStoredSubscription, toStoredSubscription } from "../subscription/stored-subscription.ts";

/** Keeps subscriptions on disk, so that they outlive the process. A disk that fails is logged and counted; it never ends a subscription. */
export class SubscriptionJournal {
  readonly #store: SubscriptionStore;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #counters: Counters;

  constructor(components: {
    readonly store: SubscriptionStore;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly counters: Counters;
  }) {
    this.#store = components.store;
    this.#clock = components.clock;
    this.#logger = components.logger;
    this.#counters = components.counters;
  }

  put(subscription: KeptSubscription): void {
    this.#attempt(() => this.#store.put(toStoredSubscription(subscription, this.#now())));
  }

  remove(localTag: string): void {
    this.#attempt(() => this.#store.remove(localTag));
  }

  /** Those of the last run whose subscribers can still be reached; the others are forgotten. */
  restore(maxSeconds: number): readonly RestoredSubscription[] {
    const restored: RestoredSubscription[] = [];
    for (const stored of this.#store.list()) {
      const subscription = fromStoredSubscription(stored, this.#now(), maxSeconds);
      if (subscription === undefined) this.remove(stored.localTag);
      else restored.push(subscription);
    }
    return restored;
  }

  #now(): { readonly monotonicMs: number; readonly wallMs: number } {
    return { monotonicMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() };
  }

  #attempt(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#counters.add("presence.disk_failures");
      this.#logger.error({ err: error }, "a subscription on disk is out of date");
    }
  }
}
