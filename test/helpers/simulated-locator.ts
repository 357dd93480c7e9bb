import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { compareBallots } from "../../dht-schema/ballot.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import type {
  ClaimMode,
  ClaimOptions,
  ClaimOutcome,
  Location,
  Locator,
  OwnerChange,
  OwnershipLost,
  OwnerWatch,
} from "../../node/federation/locator.ts";
import type { VirtualTime } from "./virtual-time.ts";

interface Ownership {
  readonly owner: SimulatedLocator;
  readonly epoch: Epoch;
  /** The epoch with which it began. */
  readonly since: Epoch;
  /** When its owner knows of it. */
  readonly knownAtMs: number;
}

interface Options {
  /** One round trip to the directory. */
  readonly latencyMs: number;
  /** How long a dead owner is believed to own. */
  readonly leaseMs: number;
  /** How long a forwarding note is kept. */
  readonly graceMs: number;
  /** How long after a claim has succeeded the claimant hears so: meanwhile the user may be gone again. */
  readonly claimAnswerMs: number;
  /** How long after the replicas, and those whom they tell, a new owner knows that it is one. */
  readonly ownerLateMs: number;
}

/**
 * A directory that is always right, shared by the locators of several nodes on virtual time: what `Locator` promises, without
 * a network beneath. Claims take one latency, a claim of a user whose owner is dead the rest of a lease.
 */
export class SimulatedDirectory {
  readonly options: Options;
  readonly time: VirtualTime;
  readonly locators = new Map<ServerId, SimulatedLocator>();
  readonly #owners = new Map<Aor, Ownership>();
  /** Who owned each user last, whether or not they still do. */
  readonly #last = new Map<Aor, Ownership>();
  #counter = 0;

  constructor(time: VirtualTime, options: Partial<Options> = {}) {
    this.time = time;
    this.options = { latencyMs: 1, leaseMs: 10_000, graceMs: 5_000, claimAnswerMs: 0, ownerLateMs: 0, ...options };
  }

  /** The locator of one more server. */
  join(name: string): SimulatedLocator {
    const locator = new SimulatedLocator(this, name as ServerId, this.locators.size + 1);
    this.locators.set(locator.self, locator);
    return locator;
  }

  ownerOf(aor: Aor): Ownership | undefined {
    return this.#owners.get(aor);
  }

  /** Makes `to` the owner at this instant; the old one, if alive, hands over. */
  move(aor: Aor, to: SimulatedLocator): Epoch {
    const from = this.#owners.get(aor);
    this.#counter += 1;
    const epoch: Epoch = { version: 1, counter: this.#counter, member: to.number };
    const knownAtMs = this.time.monotonicMs() + this.options.ownerLateMs;
    this.#owners.set(aor, { owner: to, epoch, since: epoch, knownAtMs });
    this.#last.set(aor, { owner: to, epoch, since: epoch, knownAtMs });
    if (from !== undefined && from.owner !== to) from.owner.handOver(aor, from.epoch, { server: to.self, epoch });
    to.observeEpoch(aor, epoch);
    this.#push(aor);
    return epoch;
  }

  /** The owner goes on under a higher epoch, as when a replica that restarted refuses the present one. */
  raise(aor: Aor): void {
    const { owner, since, knownAtMs } = this.#owners.get(aor) as Ownership;
    this.#counter += 1;
    const epoch: Epoch = { version: 1, counter: this.#counter, member: owner.number };
    this.#owners.set(aor, { owner, epoch, since, knownAtMs });
    owner.observeEpoch(aor, epoch);
    this.#push(aor);
  }

  /** Nobody owns the user any more. */
  vacate(aor: Aor, by: SimulatedLocator, reason: "expired" | "released"): void {
    const ownership = this.#owners.get(aor);
    if (ownership === undefined || ownership.owner !== by) return;
    this.#owners.delete(aor);
    by.lose({ aor, epoch: ownership.epoch, reason });
    this.#push(aor);
  }

  /** All leases of a server run out at this instant, or it lets go of all its users. */
  expire(server: SimulatedLocator, reason: "expired" | "released" = "expired"): void {
    for (const [aor, ownership] of this.#owners) if (ownership.owner === server) this.vacate(aor, server, reason);
  }

  /** All replicas are started anew: who owned before is not known any more. */
  forget(): void {
    this.#last.clear();
  }

  /** The last owner, if that was another server and later. */
  ownedSince(aor: Aor, since: Epoch, by: ServerId): Epoch | undefined {
    const last = this.#last.get(aor);
    return last !== undefined && last.owner.self !== by && compareBallots(last.epoch, since) > 0
      ? last.epoch
      : undefined;
  }

  #push(aor: Aor): void {
    for (const locator of this.locators.values()) this.time.after(this.options.latencyMs, () => locator.tell(aor));
  }
}

interface Watch {
  readonly aor: Aor;
  readonly listener: (change: OwnerChange) => void;
  last: string | undefined;
}

/** The locator of one server of a {@link SimulatedDirectory}. */
export class SimulatedLocator implements Locator {
  readonly self: ServerId;
  readonly number: number;
  /** Claims made, for tests that count them. */
  readonly claims: { readonly aor: Aor; readonly mode: ClaimMode }[] = [];
  readonly #directory: SimulatedDirectory;
  readonly #listeners = new Set<(lost: OwnershipLost) => void>();
  readonly #watches = new Set<Watch>();
  readonly #newest = new Map<Aor, Epoch>();
  readonly #notes = new Map<Aor, { readonly server: ServerId; readonly epoch: Epoch; readonly untilMs: number }>();
  /** Wrong answers to give to the next lookup that is not certain. */
  readonly #stale = new Map<Aor, Location>();
  #state: "up" | "cut-off" | "dead" = "up";

  constructor(directory: SimulatedDirectory, self: ServerId, number: number) {
    this.#directory = directory;
    this.self = self;
    this.number = number;
  }

  /** No majority is reachable from here; leases last until {@link SimulatedDirectory.expire}. */
  cutOff(): void {
    this.#state = "cut-off";
  }

  /** The process is killed: nobody is told; the users become free when the lease has run out. */
  kill(): void {
    this.#state = "dead";
    this.#directory.time.after(this.#directory.options.leaseMs, () => this.#directory.expire(this));
  }

  /** Reachable again; watches may have missed something. */
  reconnect(): void {
    this.#state = "up";
    for (const watch of this.#watches) {
      watch.last = undefined;
      watch.listener({ kind: "missed" });
      this.#tell(watch);
    }
  }

  /** The next lookup that does not ask for certainty is answered with this. */
  believe(aor: Aor, location: Location): void {
    this.#stale.set(aor, location);
  }

  owned(aor: Aor): Epoch | undefined {
    const ownership = this.#directory.ownerOf(aor);
    if (ownership?.owner !== this || this.#state === "dead") return undefined;
    return ownership.knownAtMs <= this.#directory.time.monotonicMs() ? ownership.epoch : undefined;
  }

  ownedSince(aor: Aor): Epoch | undefined {
    return this.owned(aor) && this.#directory.ownerOf(aor)?.since;
  }

  async claim(aor: Aor, options: ClaimOptions): Promise<ClaimOutcome> {
    this.claims.push({ aor, mode: options.mode });
    await this.#wait(this.#directory.options.latencyMs);
    const outcome = await this.#claim(aor, options);
    const { claimAnswerMs, ownerLateMs } = this.#directory.options;
    if (claimAnswerMs + ownerLateMs > 0) await this.#wait(claimAnswerMs + ownerLateMs);
    return outcome;
  }

  async #claim(aor: Aor, { mode, since, signal }: ClaimOptions): Promise<ClaimOutcome> {
    for (;;) {
      if (this.#state !== "up") return { kind: "unavailable", reason: "no majority" };
      if (signal?.aborted === true) return { kind: "unavailable", reason: "aborted" };
      const before = this.#directory.ownerOf(aor);
      if (before?.owner === this) return { kind: "owned", epoch: before.epoch };
      // An earlier run of this very server is dead for certain.
      const later = since && this.#directory.ownedSince(aor, since, this.self);
      if (before === undefined && later !== undefined) return { kind: "superseded", epoch: later };
      if (before === undefined || before.owner.self === this.self)
        return { kind: "owned", epoch: this.#directory.move(aor, this) };
      if (mode === "if-free") return { kind: "owned-elsewhere", owner: before.owner.self, epoch: before.epoch };
      if (before.owner.#state === "up") {
        return { kind: "owned", epoch: this.#directory.move(aor, this), from: before.owner.self };
      }
      await this.#wait(this.#directory.options.latencyMs);
    }
  }

  release(aor: Aor): Promise<void> {
    this.#directory.vacate(aor, this, "released");
    return this.#wait(this.#directory.options.latencyMs);
  }

  async locate(aor: Aor, options: { certain?: boolean; signal?: AbortSignal } = {}): Promise<Location> {
    this.lookups += 1;
    this.#lookupsUnderWay += 1;
    this.mostLookups = Math.max(this.mostLookups, this.#lookupsUnderWay);
    await this.#wait(this.#directory.options.latencyMs);
    this.#lookupsUnderWay -= 1;
    if (this.#state !== "up") return { kind: "unavailable", reason: "no majority" };
    const stale = this.#stale.get(aor);
    if (stale !== undefined && options.certain === false) {
      this.#stale.delete(aor);
      return stale;
    }
    const ownership = this.#directory.ownerOf(aor);
    if (ownership === undefined) return { kind: "nobody" };
    this.observeEpoch(aor, ownership.epoch);
    return ownership.owner === this
      ? { kind: "here", epoch: ownership.epoch }
      : { kind: "server", server: ownership.owner.self, epoch: ownership.epoch };
  }

  watch(aor: Aor, listener: (change: OwnerChange) => void): OwnerWatch {
    const watch: Watch = { aor, listener, last: undefined };
    this.#watches.add(watch);
    this.#directory.time.after(this.#directory.options.latencyMs, () => this.#tell(watch));
    return { close: () => void this.#watches.delete(watch) };
  }

  /** How many lookups there were, and how many at one time at most, for tests that count them. */
  lookups = 0;
  mostLookups = 0;
  #lookupsUnderWay = 0;

  /** Watches that are open, for tests that count them. */
  get watches(): number {
    return this.#watches.size;
  }

  onLost(listener: (lost: OwnershipLost) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  newestEpoch(aor: Aor): Epoch | undefined {
    return this.#newest.get(aor);
  }

  observeEpoch(aor: Aor, epoch: Epoch): boolean {
    const newest = this.#newest.get(aor);
    if (newest !== undefined && compareBallots(epoch, newest) < 0) return false;
    this.#newest.set(aor, epoch);
    return true;
  }

  forwardingNote(aor: Aor): { readonly server: ServerId; readonly epoch: Epoch } | undefined {
    const note = this.#notes.get(aor);
    if (note === undefined || note.untilMs <= this.#directory.time.monotonicMs() || this.owned(aor) !== undefined)
      return undefined;
    return { server: note.server, epoch: note.epoch };
  }

  handOver(aor: Aor, epoch: Epoch, to: { readonly server: ServerId; readonly epoch: Epoch }): void {
    this.observeEpoch(aor, to.epoch);
    this.#notes.set(aor, { ...to, untilMs: this.#directory.time.monotonicMs() + this.#directory.options.graceMs });
    this.lose({ aor, epoch, reason: "handed-over", to: to.server });
  }

  lose(lost: OwnershipLost): void {
    if (this.#state === "dead") return;
    for (const listener of this.#listeners) listener(lost);
  }

  /** Shows the present owner to those who watch; a server that is cut off learns nothing. */
  tell(aor: Aor): void {
    for (const watch of this.#watches) if (watch.aor === aor) this.#tell(watch);
  }

  #tell(watch: Watch): void {
    if (this.#state !== "up" || !this.#watches.has(watch)) return;
    const ownership = this.#directory.ownerOf(watch.aor);
    const change: OwnerChange =
      ownership === undefined
        ? { kind: "nobody" }
        : { kind: "owner", server: ownership.owner.self, epoch: ownership.epoch };
    const state = JSON.stringify(change);
    if (state === watch.last) return;
    watch.last = state;
    if (ownership !== undefined) this.observeEpoch(watch.aor, ownership.epoch);
    watch.listener(change);
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#directory.time.after(ms, resolve));
  }
}
