import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { sameBallot } from "../../dht-schema/ballot.ts";
import type { Batch } from "../../dht-schema/directory-messages.ts";
import { decodeBatch, encodeBatch } from "../../dht-schema/directory-messages.ts";
import type { Roster, ServerId } from "../../dht-schema/roster.ts";
import type {
  ClaimOptions,
  ClaimOutcome,
  Location,
  Locator,
  OwnerChange,
  OwnershipLost,
  OwnershipWon,
  OwnerWatch,
} from "../federation/locator.ts";
import type { Mesh } from "../mesh/mesh.ts";
import type { Clock } from "../runtime/clock.ts";
import { AortaError } from "../runtime/errors.ts";
import { limits } from "../runtime/limits.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";
import type { Settings } from "../storage/ports.ts";
import { CeilingKeeper, readCeiling } from "./ceiling.ts";
import type { ClaimResult, DirectoryEvent, DirectoryTuning, LookupResult, ReplicaAnswer } from "./core/context.ts";
import { DirectoryCore } from "./core/directory-core.ts";
import { SeenEpochs } from "./core/seen-epochs.ts";
import type { Report } from "./core/steward.ts";
import type { ReplicaInspection } from "./inspection.ts";
import { inspectionOf } from "./inspection.ts";
import { MemberFaults } from "./member-faults.ts";
import { Outgoing } from "./outgoing.ts";
import { RecentOwners } from "./recent-owners.ts";
import { Records } from "./records.ts";
import { ServerNumbers } from "./server-numbers.ts";
import { isSameChange } from "./same-change.ts";
import { defaultTuning } from "./tuning.ts";

export { defaultTuning } from "./tuning.ts";

/** How long a claim tries beyond the lease term that a dead owner may still hold, ms. */
const CLAIM_SLACK_MS = 2_000;
const LOOKUP_DEADLINE_MS = 2_000;
/** Some 7 µs each. */
const LET_GO_A_TURN = 1_000;

const STOPPING = { kind: "unavailable", reason: "this server is stopping" } as const;

/** What the directory runs on. */
export interface DirectoryComponents {
  readonly mesh: Mesh;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: Counters;
}

/** The directory of one running server: {@link Locator} by the mesh, and views for operators. */
export class Directory implements Locator {
  readonly self: ServerId;
  readonly #components: DirectoryComponents;
  readonly #core: DirectoryCore;
  readonly #claims = new Map<number, (outcome: ClaimOutcome) => void>();
  readonly #lookups = new Map<number, (result: LookupResult) => void>();
  readonly #inspections = new Map<number, (answers: readonly ReplicaAnswer[]) => void>();
  readonly #fetches = new Map<number, (signed: Uint8Array | undefined) => void>();
  readonly #watches = new Map<Aor, Set<(change: OwnerChange) => void>>();
  readonly #lostListeners = new Set<(lost: OwnershipLost) => void>();
  readonly #seen: SeenEpochs;
  readonly #recent = new RecentOwners(limits.directory.recentOwners, limits.directory.recentOwnerMs);
  readonly #records: Records;
  readonly #faults: MemberFaults;
  readonly #ceiling: CeilingKeeper;
  readonly #wonListeners = new Set<(won: OwnershipWon) => void>();
  readonly #servers: ServerNumbers;
  readonly #outgoing = new Outgoing((to, batch) => this.#send(to, batch));
  #nextId = 1;
  #isFlushDue = false;
  #hasSentInTurn = false;
  #stopped = false;
  #publishing = false;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Infinity;
  #stopListening: (() => void) | undefined;

  /**
   * @param init.boot of the mesh: it grows with each start
   * @param init.tuning times and bounds, the defaults where absent
   */
  constructor(
    init: { readonly boot: number; readonly tuning?: Partial<DirectoryTuning> },
    components: DirectoryComponents,
  ) {
    const { mesh, settings, clock } = components;
    this.self = mesh.self;
    this.#components = components;
    const roster = mesh.roster();
    this.#servers = new ServerNumbers(mesh.self, roster);
    const tuning = { ...defaultTuning, ...init.tuning };
    this.#core = new DirectoryCore(clock.monotonicMs(), {
      self: this.#servers.numberOf(mesh.self) as number,
      boot: init.boot,
      roster,
      ceiling: readCeiling(settings),
      tuning,
      random: Math.random,
      steward: mesh.holdsDomainKey,
    });
    this.#seen = new SeenEpochs(this.#core, tuning.observedEpochs);
    this.#records = new Records(components, {
      serverOf: (number) => this.#servers.idOf(number),
      observeEpoch: (aor, epoch) => this.observeEpoch(aor, epoch),
    });
    this.#faults = new MemberFaults(components);
    this.#ceiling = new CeilingKeeper(components, (counter) => this.#core.ceilingStored(counter));
  }

  /** Begins to take part. Idempotent. */
  start(): void {
    if (this.#stopListening !== undefined) return;
    const { mesh } = this.#components;
    mesh.receive("directory", (from, bytes) => {
      const member = this.#servers.numberOf(from);
      if (member === undefined) return;
      try {
        this.#core.receive(this.#nowMs(), member, decodeBatch(bytes));
      } catch (error) {
        // A member that breaks the rules is answered by silence: what it asked for does not happen.
        this.#faults.note(from, "directory.malformed", String(error));
        return;
      }
      this.#flushSoon();
    });
    this.#stopListening = mesh.on((event) => {
      if (event.kind === "removed" || event.kind === "outdated") return this.stop();
      if (event.kind === "roster") {
        this.#servers.learn(event.roster);
        this.#core.installRoster(this.#nowMs(), event.roster);
      } else if (event.kind === "link-up") {
        const member = this.#servers.numberOf(event.server);
        if (member !== undefined) this.#core.linkUp(this.#nowMs(), member);
      }
      this.#flushSoon();
    });
    this.#core.installRoster(this.#nowMs(), mesh.roster());
    this.#flushSoon();
  }

  /** Lets go of every user, so that others can claim them at once, some in a turn of the event loop: a link is given up on which nothing is heard. */
  async letGo(): Promise<void> {
    const owners = this.#core.owners(this.#nowMs());
    for (let at = 0; at < owners.length; at += LET_GO_A_TURN) {
      for (const { aor } of owners.slice(at, at + LET_GO_A_TURN)) this.#core.release(this.#nowMs(), aor);
      this.#flush();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Lets go of every user at once, then takes no further part. Idempotent. */
  stop(): void {
    if (this.#stopped) return;
    for (const { aor } of this.#core.owners(this.#nowMs())) this.#core.release(this.#nowMs(), aor);
    this.#flush();
    this.#outgoing.finish();
    this.#stopped = true;
    this.#stopListening?.();
    clearTimeout(this.#timer);
    this.#ceiling.stop();
    for (const settle of this.#claims.values()) settle(STOPPING);
    for (const settle of this.#lookups.values()) settle(STOPPING);
    for (const settle of this.#inspections.values()) settle([]);
    for (const settle of this.#fetches.values()) settle(undefined);
  }

  owned(aor: Aor): Epoch | undefined {
    return this.#stopped ? undefined : this.#core.owned(this.#nowMs(), aor);
  }

  ownedSince(aor: Aor): Epoch | undefined {
    return this.#stopped ? undefined : this.#core.ownedSince(this.#nowMs(), aor);
  }

  claim(aor: Aor, options: ClaimOptions): Promise<ClaimOutcome> {
    const epoch = this.owned(aor);
    if (epoch !== undefined) return Promise.resolve({ kind: "owned", epoch });
    if (this.#stopped) return Promise.resolve(STOPPING);
    if (this.#claims.size >= limits.directory.claims) {
      return Promise.resolve({ kind: "unavailable", reason: "too many claims under way" });
    }
    const id = this.#nextId++;
    const nowMs = this.#nowMs();
    return new Promise((resolve) => {
      const cancel = () => {
        this.#core.cancelClaim(this.#nowMs(), id, aor);
        this.#flushSoon();
      };
      this.#claims.set(id, (outcome) => {
        options.signal?.removeEventListener("abort", cancel);
        this.#claims.delete(id);
        if (outcome.kind === "owned") {
          const won = { aor, epoch: outcome.epoch, tookMs: this.#nowMs() - nowMs };
          for (const told of this.#wonListeners) told(won);
        }
        resolve(outcome);
      });
      options.signal?.addEventListener("abort", cancel, { once: true });
      const deadlineMs = nowMs + this.#core.roster.leaseMs + CLAIM_SLACK_MS;
      this.#core.claim(nowMs, id, aor, options.mode, deadlineMs, options.since);
      this.#flushSoon();
    });
  }

  release(aor: Aor): Promise<void> {
    this.#core.release(this.#nowMs(), aor);
    this.#flush();
    return Promise.resolve();
  }

  locate(aor: Aor, options: { readonly certain?: boolean; readonly signal?: AbortSignal } = {}): Promise<Location> {
    if (this.#stopped) return Promise.resolve(STOPPING);
    const nowMs = this.#nowMs();
    const epoch = this.#core.owned(nowMs, aor);
    if (epoch !== undefined) return Promise.resolve({ kind: "here", epoch });
    const known = this.#core.watched(nowMs, aor);
    if (known?.kind === "nobody") return Promise.resolve(known);
    if (known?.kind === "owner" && known.epoch.member !== this.#core.self) {
      return Promise.resolve(this.#servers.location(known.epoch));
    }
    if (options.certain !== false) return this.#lookUp(aor, "majority");
    const recent = this.#recent.get(nowMs, aor);
    // As good as the first answer of a replica, unless something newer has been heard of.
    const isNewest = recent !== undefined && sameBallot(recent, this.newestEpoch(aor) ?? recent);
    return isNewest ? Promise.resolve(this.#servers.location(recent)) : this.#lookUp(aor, "first");
  }

  watch(aor: Aor, listener: (change: OwnerChange) => void): OwnerWatch {
    let listeners = this.#watches.get(aor);
    if (listeners === undefined) {
      this.#watches.set(aor, (listeners = new Set()));
      this.#core.watch(this.#nowMs(), aor);
      this.#flushSoon();
    }
    // One entry a call, even if the same function watches twice. The present state can come as the answer below and as
    // an event that is on its way; it is told once.
    let told: OwnerChange | undefined;
    const own = (change: OwnerChange) => {
      if (told !== undefined && isSameChange(change, told)) return;
      told = change;
      listener(change);
    };
    listeners.add(own);
    const known = this.#core.watched(this.#nowMs(), aor);
    if (known !== undefined) queueMicrotask(() => listeners.has(own) && own(this.#servers.change(known)));
    return { close: () => this.#closeWatch(aor, own) };
  }

  onLost(listener: (lost: OwnershipLost) => void): () => void {
    this.#lostListeners.add(listener);
    return () => this.#lostListeners.delete(listener);
  }

  /** Calls `listener` in the turn of the event loop in which a claim succeeds; also for a user owned already, with the epoch that they have. */
  onWon(listener: (won: OwnershipWon) => void): () => void {
    this.#wonListeners.add(listener);
    return () => this.#wonListeners.delete(listener);
  }

  newestEpoch(aor: Aor): Epoch | undefined {
    return this.#seen.newest(this.#nowMs(), aor);
  }

  observeEpoch(aor: Aor, epoch: Epoch): boolean {
    const nowMs = this.#nowMs();
    if (this.#core.believes(nowMs, epoch)) return this.#seen.observe(nowMs, aor, epoch);
    this.#components.counters.add("directory.epochs_refused");
    return false;
  }

  forwardingNote(aor: Aor): { readonly server: ServerId; readonly epoch: Epoch } | undefined {
    const epoch = this.#core.forwardingNote(aor);
    const server = epoch && this.#servers.idOf(epoch.member);
    return epoch !== undefined && server !== undefined ? { server, epoch } : undefined;
  }

  /** Asks every replica of an AoR what it holds. */
  inspect(aor: Aor): Promise<readonly ReplicaInspection[]> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#inspections.set(id, (answers) => {
        this.#inspections.delete(id);
        resolve(answers.map((answer) => inspectionOf(this.#core.roster, answer)));
      });
      this.#core.inspect(this.#nowMs(), id, aor);
      this.#flushSoon();
    });
  }

  /** The binding of an AoR signed by its owner, if this server holds it as a replica and the owner answers. */
  signedBinding(aor: Aor): Promise<Uint8Array | undefined> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#fetches.set(id, (signed) => {
        this.#fetches.delete(id);
        resolve(this.#records.check(aor, signed));
      });
      this.#core.fetchRecord(this.#nowMs(), id, aor);
      this.#flushSoon();
    });
  }

  /** See {@link DirectoryCore.owing}. */
  owe(count: number): void {
    this.#core.owing = count;
  }

  /** The users that this server owns at this instant. */
  bindings(): Iterable<{ aor: Aor; epoch: Epoch; ownedForMs: number }> {
    return this.#core.owners(this.#nowMs());
  }

  /** How long this server owns a user without another renewal, ms. */
  leaseLeftMs(aor: Aor): number {
    return this.#core.leaseLeftMs(this.#nowMs(), aor);
  }

  /** What this server holds for others, as a replica. */
  holdings(): Iterable<{ aor: Aor; epoch: Epoch; validForMs: number }> {
    return this.#core.holdings(this.#nowMs());
  }

  sessions(): readonly { server: ServerId; leaseLeftMs: number }[] {
    return [...this.#core.sessions(this.#nowMs())].flatMap(({ member, leaseLeftMs }) => {
      const server = this.#servers.idOf(member);
      return server === undefined ? [] : [{ server, leaseLeftMs }];
    });
  }

  /** What each server last said to this one as the steward; empty unless it is, and a change is under way. */
  stewardReports(): ReadonlyMap<number, Report> {
    return this.#core.stewardReports();
  }

  stats(): ReturnType<DirectoryCore["stats"]> {
    return this.#core.stats(this.#nowMs());
  }

  #nowMs(): number {
    return this.#components.clock.monotonicMs();
  }

  #closeWatch(aor: Aor, listener: (change: OwnerChange) => void): void {
    const listeners = this.#watches.get(aor);
    if (listeners === undefined || !listeners.delete(listener) || listeners.size > 0) return;
    this.#watches.delete(aor);
    this.#core.unwatch(this.#nowMs(), aor);
    this.#flushSoon();
  }

  #lookUp(aor: Aor, mode: "first" | "majority"): Promise<Location> {
    const id = this.#nextId++;
    const nowMs = this.#nowMs();
    return new Promise((resolve) => {
      this.#lookups.set(id, (result) => {
        this.#lookups.delete(id);
        if (result.kind !== "owner") return resolve(result);
        this.observeEpoch(aor, result.epoch);
        this.#recent.found(this.#nowMs(), aor, result.epoch);
        resolve(this.#servers.location(result.epoch));
      });
      this.#core.lookup(nowMs, id, aor, mode, nowMs + LOOKUP_DEADLINE_MS);
      this.#flushSoon();
    });
  }

  /**
   * What is first sent in a turn of the event loop leaves at once, and all that comes after it, each in a callback of Node's with
   * microtasks of its own, as one batch a peer at the end of the turn.
   */
  #flushSoon(): void {
    if (this.#isFlushDue || this.#stopped) return;
    this.#isFlushDue = true;
    if (!this.#hasSentInTurn) queueMicrotask(() => this.#flush());
  }

  #noteSent(): void {
    if (this.#hasSentInTurn) return;
    this.#hasSentInTurn = true;
    setImmediate(() => {
      this.#hasSentInTurn = false;
      if (this.#isFlushDue) this.#flush();
    });
  }

  #flush(): void {
    this.#isFlushDue = false;
    if (this.#stopped) return;
    const { batches, events } = this.#core.takeOutput();
    for (const event of events) this.#handle(event);
    if (batches.length > 0) this.#noteSent();
    this.#outgoing.push(batches);
    this.#arm();
  }

  #send(to: number, batch: Batch): void {
    const server = this.#servers.idOf(to);
    // Without a link the message is lost, and the protocol's own patience sends it again.
    if (server !== undefined) this.#components.mesh.send(server, "directory", encodeBatch(batch));
  }

  #arm(): void {
    const atMs = this.#core.nextDeadlineMs();
    if (atMs >= this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(
      () => {
        this.#timerAtMs = Infinity;
        this.#core.tick(this.#nowMs());
        this.#flush();
      },
      Math.max(0, Math.ceil(atMs - this.#nowMs())),
    );
  }

  #handle(event: DirectoryEvent): void {
    switch (event.kind) {
      case "claimed":
        return this.#claims.get(event.claim)?.(this.#ended(event.aor, event.result));
      case "found":
        return this.#lookups.get(event.lookup)?.(event.result);
      case "inspected":
        return this.#inspections.get(event.lookup)?.(event.answers);
      case "record-fetched":
        return this.#fetches.get(event.fetch)?.(event.signed);
      case "record-wanted":
        return void this.#signRecord(event);
      case "lost":
        return this.#lost(event);
      case "watched":
        return this.#tellWatchers(event.aor, this.#servers.change(event.state));
      case "raise-ceiling":
        return this.#ceiling.raise(event.counter);
      case "violation":
        return this.#faults.note(this.#servers.idOf(event.from) ?? this.self, "directory.violations", event.rule);
      case "publish-roster":
        return void this.#publish(event.roster);
    }
  }

  #ended(aor: Aor, result: ClaimResult): ClaimOutcome {
    this.#components.counters.add(`directory.claims.${result.kind}`);
    if (result.kind !== "unavailable") this.observeEpoch(aor, result.epoch);
    return this.#servers.outcome(result);
  }

  #lost({ aor, epoch, reason, to }: DirectoryEvent & { kind: "lost" }): void {
    this.#components.counters.add(`directory.lost.${reason}`);
    const server = to && this.#servers.idOf(to.member);
    const lost: OwnershipLost = { aor, epoch, reason, ...(server !== undefined && { to: server }) };
    for (const listener of this.#lostListeners) listener(lost);
  }

  #tellWatchers(aor: Aor, change: OwnerChange): void {
    if (change.kind === "owner") this.observeEpoch(aor, change.epoch);
    for (const listener of Array.from(this.#watches.get(aor) ?? [])) listener(change);
  }

  async #signRecord({ to, op, aor, epoch }: DirectoryEvent & { kind: "record-wanted" }): Promise<void> {
    this.#core.sendRecord(this.#nowMs(), to, op, await this.#records.sign(aor, epoch));
    this.#flushSoon();
  }

  async #publish(roster: Roster): Promise<void> {
    const { mesh, logger } = this.#components;
    // The steward asks until it sees the roster in force.
    if (this.#publishing) return;
    this.#publishing = true;
    try {
      await mesh.publishRoster(roster);
      logger.info({ version: roster.version, voters: roster.voters, old: roster.oldVoters }, "roster published");
    } catch (error) {
      // Once enough voters are in touch it is published: no reason to warn at every look until then.
      const level = error instanceof AortaError && error.code === "STEWARD_ALONE" ? "debug" : "warn";
      logger[level]({ version: roster.version, error: String(error) }, "roster not published");
    } finally {
      this.#publishing = false;
    }
  }
}
