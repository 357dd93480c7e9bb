import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import type { ClaimOutcome, Locator } from "../federation/locator.ts";
import type { AskRegistration } from "../federation/registration-elsewhere.ts";
import { servingEpoch } from "../federation/serving-epoch.ts";
import type { Clock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import type { Counters } from "../runtime/metrics.ts";
import type { Timers } from "../runtime/timers.ts";
import type { BindingTable } from "./binding-table.ts";
import type { KeyedQueue } from "./keyed-queue.ts";
import type { PatientClaims } from "./patient-claims.ts";
import { ReclaimQueue } from "./reclaim-queue.ts";
import { isNewerThan } from "./registered-elsewhere.ts";
import type { RestingState } from "./resting-state.ts";
import { newestOf } from "./resting-state.ts";

export interface RestingUsersComponents {
  readonly table: BindingTable;
  readonly queue: KeyedQueue<Aor>;
  readonly claims: PatientClaims;
  readonly locator: Locator;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly counters: Counters;
  /** What presence keeps of users who are not owned at present. */
  readonly resting: () => RestingState;
  readonly askRegistration: AskRegistration;
  /** Told of a user who is owned again. */
  readonly taken: (aor: Aor) => void;
  /** Told of a user of whom what rests here is out of date. */
  readonly superseded: (aor: Aor) => void;
}

/** The users of whom something is kept here, and who are not owned: after a restart, or because the leases ran out. They are claimed again. */
export class RestingUsers {
  readonly #components: RestingUsersComponents;
  readonly #reclaims = new ReclaimQueue(limits.registrar.reclaims);
  #isStopped = false;
  #isDue = false;

  constructor(components: RestingUsersComponents) {
    this.#components = components;
  }

  /** Who is still to be claimed again. */
  get size(): number {
    return this.#reclaims.size;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Whether anything is kept here of a user, owned or not. */
  has(aor: Aor): boolean {
    return this.#components.table.has(aor) || this.#components.resting().has(aor);
  }

  isResting(aor: Aor): boolean {
    return this.has(aor) && servingEpoch(this.#components.locator, aor) === undefined;
  }

  /** When the user's clients last said anything here. */
  newestEpoch(aor: Aor): Epoch | undefined {
    const { table, clock, resting } = this.#components;
    const epochs = table.get(aor, clock.monotonicMs()).map(({ epoch }) => epoch);
    return newestOf([...epochs, resting().epochOf(aor)]);
  }

  add(aor: Aor): void {
    this.#reclaims.add(aor);
  }

  /** It has been found out about the user, or nothing rests any more. */
  done(aor: Aor): void {
    this.#reclaims.done(aor);
  }

  /** The directory may be reached again. */
  hasten(): void {
    this.#reclaims.hasten();
    this.reclaimDue();
  }

  reclaimDue(): void {
    const { queue, clock } = this.#components;
    if (this.#isStopped) return;
    for (const aor of this.#reclaims.take(clock.monotonicMs()))
      queue.run(aor, () => this.#reclaim(aor).then(() => this.#reclaimSoon()));
  }

  /** In another turn of the event loop: in a domain of one server claims end at once, and nothing else would have its turn until the last is done. */
  #reclaimSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#components.timers.after(0, () => {
      this.#isDue = false;
      this.reclaimDue();
    });
  }

  async #reclaim(aor: Aor): Promise<void> {
    if (this.#isStopped) return;
    if (!(await this.settle(aor))) this.#reclaims.retry(aor, this.#components.clock.monotonicMs());
  }

  /**
   * Takes a user back of whom something rests here, only if nobody has them and nobody had them since, or if only a server has them
   * that they were on earlier: they may have moved while this one was away. Else what rests is shed. Runs in the queue of the AoR.
   * @returns false when the directory could not be reached
   */
  async settle(aor: Aor): Promise<boolean> {
    const { claims, counters, askRegistration, taken, superseded } = this.#components;
    let outcome: ClaimOutcome | undefined;
    if (this.isResting(aor)) {
      outcome = await claims.claim(aor, "if-free", this.newestEpoch(aor));
      const isNewer =
        outcome.kind === "owned-elsewhere" &&
        (await isNewerThan(outcome.owner, aor, this.newestEpoch(aor), askRegistration));
      if (isNewer && this.has(aor)) outcome = await claims.claim(aor, "take-over");
      if (outcome.kind === "unavailable") return false;
    }
    this.#reclaims.done(aor);
    if (outcome?.kind === "owned") {
      counters.add("registrar.reclaimed");
      taken(aor);
    } else if (outcome !== undefined) {
      if (outcome.kind === "superseded") counters.add("registrar.superseded");
      superseded(aor);
    }
    return true;
  }
}
