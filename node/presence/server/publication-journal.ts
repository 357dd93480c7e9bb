import type { Aor } from "../../../dht-schema/aor.ts";
import type { Epoch } from "../../../dht-schema/ballot.ts";
import { parseBallot } from "../../../dht-schema/ballot.ts";
import type { RestingState } from "../../registrar/resting-state.ts";
import { newestOf } from "../../registrar/resting-state.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Logger } from "../../runtime/logger.ts";
import type { Counters } from "../../runtime/metrics.ts";
import type { PublicationStore, StoredPublication } from "../../storage/ports.ts";
import { WriteFailures } from "../../storage/write-failures.ts";
import type { Publication } from "../publication/publications.ts";
import { fromStoredPublication, toStoredPublication } from "../publication/stored-publication.ts";

/**
 * Keeps publications on disk, where they rest while this server does not own their user: over a restart, or while the directory
 * cannot be reached. A disk that fails is logged and counted; it never refuses a publication.
 */
export class PublicationJournal implements RestingState {
  readonly #store: PublicationStore;
  readonly #clock: Clock;
  readonly #failures: WriteFailures;
  readonly #counters: Counters;
  readonly #maxSeconds: number;
  /** Who has publications on disk. */
  readonly #aors: Set<Aor>;

  constructor(
    components: {
      readonly store: PublicationStore;
      readonly clock: Clock;
      readonly logger: Logger;
      readonly counters: Counters;
    },
    maxSeconds: number,
  ) {
    this.#store = components.store;
    this.#clock = components.clock;
    this.#failures = new WriteFailures(components);
    this.#counters = components.counters;
    this.#maxSeconds = maxSeconds;
    this.#aors = new Set(this.#store.aors());
  }

  aors(): Iterable<Aor> {
    return this.#aors;
  }

  has(aor: Aor): boolean {
    return this.#unexpired(aor).length > 0;
  }

  /** Whether a publication is on disk under its present entity-tag. */
  holds(aor: Aor, entityTag: string): boolean {
    return this.#unexpired(aor).some((stored) => stored.entityTag === entityTag);
  }

  epochOf(aor: Aor): Epoch | undefined {
    return this.#aors.has(aor) ? newestOf(this.#store.of(aor).map(({ epoch }) => parseBallot(epoch))) : undefined;
  }

  /** The user has been on another server: what they published here is no more. */
  shed(aor: Aor): void {
    if (!this.#aors.delete(aor)) return;
    this.#attempt(aor, () => this.#store.removeAll(aor));
  }

  /** The unexpired publications of a user, from the disk. */
  read(aor: Aor): readonly Publication[] {
    if (!this.#aors.has(aor)) return [];
    const now = this.#now();
    const publications: Publication[] = [];
    for (const stored of this.#store.of(aor)) {
      const publication = fromStoredPublication(stored, now, this.#maxSeconds);
      if (publication === undefined) this.#attempt(aor, () => this.#store.remove(aor, stored.key));
      else publications.push(publication);
    }
    if (publications.length === 0) this.#aors.delete(aor);
    return publications;
  }

  /** Writes the difference. */
  replace(aor: Aor, before: readonly Publication[], after: readonly Publication[], epoch: Epoch): void {
    const now = this.#now();
    for (const publication of after) {
      if (before.includes(publication)) continue;
      this.#attempt(aor, () => this.#store.put(toStoredPublication(aor, publication, epoch, now)));
    }
    for (const { key } of before) {
      if (after.some((publication) => publication.key === key)) continue;
      this.#attempt(aor, () => this.#store.remove(aor, key));
    }
    if (after.length > 0) this.#aors.add(aor);
    else this.#aors.delete(aor);
  }

  #unexpired(aor: Aor): readonly StoredPublication[] {
    const wallMs = this.#clock.wallMs();
    return this.#aors.has(aor) ? this.#store.of(aor).filter(({ expiresAtMs }) => expiresAtMs > wallMs) : [];
  }

  #now(): { readonly monotonicMs: number; readonly wallMs: number } {
    return { monotonicMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() };
  }

  #attempt(aor: Aor, write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#counters.add("presence.disk_failures");
      this.#failures.tell(error, "publications on disk are out of date", { aor });
    }
  }
}
