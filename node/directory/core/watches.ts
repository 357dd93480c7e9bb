import type { Aor } from "../../../dht-schema/aor.ts";
import type { Ballot } from "../../../dht-schema/ballot.ts";
import { compareBallots, sameBallot } from "../../../dht-schema/ballot.ts";
import type { MessageOf } from "../../../dht-schema/directory-messages.ts";
import type { Appointment } from "./agenda.ts";
import type { Context, OwnerState } from "./context.ts";
import { LONGEST_ROUND } from "./context.ts";
import type { Leases } from "./leases.ts";
import { chosenBallot, highestValid, isNobody } from "./lookup.ts";
import type { Quorum } from "./quorum.ts";
import { isQuorum } from "./quorum.ts";
import { Registrations } from "./registrations.ts";
import { RosterMoves } from "./roster-moves.ts";

/** Which notices of a session have arrived: all up to `contiguous`, and some beyond. */
interface Heard {
  readonly session: number;
  contiguous: number;
  readonly beyond: Set<number>;
}

/** A watch of one AoR at all of its replicas. */
interface Watch {
  readonly aor: Aor;
  /** Of an earlier roster until the watch is moved to that in force. */
  quorum: Quorum;
  /** What each replica holds as valid, as it last told. */
  readonly reports: Map<number, Ballot | undefined>;
  registered: Registrations;
  told: OwnerState | undefined;
  /** Highest epoch told: a lower one is old news. */
  newest: Ballot | undefined;
  confirmation: Appointment | undefined;
}

/**
 * Watches of owners. Every quorum that accepts a ballot meets every majority of registrations, so a move is reported
 * at least once; duplicates are dropped by epoch, and what only some replicas report is confirmed with the owner.
 */
export class Watches {
  readonly #context: Context;
  readonly #leases: Leases;
  readonly #watches = new Map<Aor, Watch>();
  /** `order` of the latest `watch` or `unwatch` sent. */
  #order = 0;
  readonly #heard = new Map<number, Heard>();
  /** For each replica, what it was asked to watch and has not noticed since: asked again with every renewal. */
  readonly #unanswered = new Map<number, Set<Aor>>();
  readonly #moves: RosterMoves<Watch>;

  constructor(context: Context, leases: Leases) {
    this.#context = context;
    this.#leases = leases;
    this.#moves = new RosterMoves(context, (nowMs, watch) => this.#move(nowMs, watch));
  }

  get size(): number {
    return this.#watches.size;
  }

  start(nowMs: number, aor: Aor): void {
    if (this.#watches.has(aor)) return;
    const quorum = this.#context.quorumOf(aor);
    const watch: Watch = {
      aor,
      quorum,
      reports: new Map(),
      registered: new Registrations(quorum.members),
      told: undefined,
      newest: undefined,
      confirmation: undefined,
    };
    this.#watches.set(aor, watch);
    for (const member of quorum.members) {
      this.#leases.use(nowMs, member);
      this.#register(nowMs, watch.aor, member);
    }
  }

  stop(aor: Aor): void {
    const watch = this.#watches.get(aor);
    if (watch === undefined) return;
    this.#watches.delete(aor);
    watch.confirmation?.cancel();
    for (const member of watch.quorum.members) {
      this.#leases.drop(member);
      this.#unanswered.get(member)?.delete(aor);
      this.#unregister(aor, member);
    }
  }

  /** What is known without asking: only while a majority of the replicas would tell of a change. */
  known(nowMs: number, aor: Aor): OwnerState | undefined {
    const watch = this.#watches.get(aor);
    return watch !== undefined && this.#isMoved(watch) && this.#hears(nowMs, watch) ? watch.told : undefined;
  }

  /** A replica told what it holds. */
  noticed(nowMs: number, from: number, { aor, session, sequence, accepted }: MessageOf<"notice">): void {
    this.#hear(from, session, sequence);
    const watch = this.#watches.get(aor);
    // The replica was told to end it, and did not hear; or was, before that, by a `watch` that came late.
    if (watch === undefined) return this.#unregister(aor, from);
    this.#move(nowMs, watch);
    const generation = this.#leases.generationOf(nowMs, from, session);
    if (generation === 0 || !watch.quorum.members.includes(from)) return;
    if (accepted !== undefined) this.#context.sawBallot(accepted.ballot);
    // Notices may overtake each other when a link is replaced by another.
    if (watch.registered.isOvertaken(from, session, sequence)) return;
    this.#unanswered.get(from)?.delete(aor);
    watch.registered.set(from, { generation, session, sequence });
    watch.reports.set(
      from,
      accepted !== undefined && accepted.validForMs > 0 ? shared(watch, accepted.ballot) : undefined,
    );
    this.#consider(nowMs, watch);
  }

  /** A replica has no watch of ours: it is asked again when the lease begins anew, or with its next renewal. */
  refused(nowMs: number, from: number, aor: Aor): void {
    const watch = this.#watches.get(aor);
    if (watch === undefined) return;
    watch.registered.delete(from);
    watch.reports.delete(from);
    this.#leases.ensure(nowMs, from);
  }

  /** The replica may have forgotten our watches: register them again, which reads too. */
  leaseBegan(nowMs: number, member: number): void {
    for (const watch of this.#watches.values()) {
      if (watch.quorum.members.includes(member)) this.#register(nowMs, watch.aor, member);
    }
  }

  /**
   * The replica says how many notices it has sent: if one was lost, all is registered again, which reads too. And what it was
   * asked to watch before and has not noticed, it does not watch: the request was lost with a link, or dropped as one of an
   * earlier roster.
   */
  leaseRenewed(nowMs: number, member: number, session: number, notices: number): void {
    const heard = this.#hearing(member, session);
    if (heard.contiguous >= notices) {
      for (const aor of this.#unanswered.get(member) ?? []) this.#register(nowMs, aor, member);
      return;
    }
    heard.contiguous = notices;
    for (const sequence of heard.beyond) if (sequence <= notices) heard.beyond.delete(sequence);
    this.leaseBegan(nowMs, member);
  }

  /** Some lease ran out: what its replica told is no longer worth anything, and whoever no longer hears a majority is told so. */
  leasesLapsed(nowMs: number): void {
    for (const watch of this.#watches.values()) {
      const before = watch.reports.size;
      for (const member of watch.reports.keys()) if (!this.#isHeard(nowMs, watch, member)) watch.reports.delete(member);
      if (watch.told !== undefined && !this.#hears(nowMs, watch)) this.#tell(watch, { kind: "missed" });
      // What the others tell may mean something else without it: who is silent may hold what they hold. Where it is still to be moved, that is looked at then.
      else if (watch.reports.size < before && this.#isMoved(watch)) this.#consider(nowMs, watch);
    }
  }

  /** There may be a million: some at a time, and each that is heard of before its turn when it is. Until then nothing is known of it without asking. */
  rosterChanged(nowMs: number): void {
    this.#moves.begin(nowMs, this.#watches.values());
  }

  /** Moves all that the latest change has left: before the next. */
  finishMoves(nowMs: number): void {
    this.#moves.finish(nowMs);
  }

  #isMoved({ quorum }: Watch): boolean {
    return quorum.version === this.#context.roster().version;
  }

  #move(nowMs: number, watch: Watch): void {
    if (this.#isMoved(watch)) return;
    const next = this.#context.quorumOf(watch.aor);
    const before = watch.quorum.members;
    watch.quorum = next;
    watch.registered = watch.registered.at(next.members);
    for (const member of next.members) {
      if (before.includes(member)) continue;
      this.#leases.use(nowMs, member);
      this.#register(nowMs, watch.aor, member);
    }
    for (const member of before) {
      if (next.members.includes(member)) continue;
      this.#leases.drop(member);
      this.#unanswered.get(member)?.delete(watch.aor);
      watch.reports.delete(member);
    }
    // Those who are left may be a majority that agrees.
    this.#consider(nowMs, watch);
  }

  #hearing(member: number, session: number): Heard {
    let heard = this.#heard.get(member);
    if (heard?.session !== session) this.#heard.set(member, (heard = { session, contiguous: 0, beyond: new Set() }));
    return heard;
  }

  #hear(member: number, session: number, sequence: number): void {
    if (session < (this.#heard.get(member)?.session ?? 0)) return;
    const heard = this.#hearing(member, session);
    if (sequence <= heard.contiguous) return;
    heard.beyond.add(sequence);
    while (heard.beyond.delete(heard.contiguous + 1)) heard.contiguous++;
  }

  #hears(nowMs: number, watch: Watch): boolean {
    return isQuorum(watch.quorum, (member) => this.#isHeard(nowMs, watch, member));
  }

  /** The replica would tell of a change now. */
  #isHeard(nowMs: number, { registered }: Watch, member: number): boolean {
    const generation = registered.generation(member);
    return generation !== 0 && this.#leases.expiryMs(member, generation) > nowMs;
  }

  #register(nowMs: number, aor: Aor, member: number): void {
    // Without a live lease the replica would refuse; the watch is registered when the lease begins.
    if (this.#leases.generation(nowMs, member) === 0) return;
    let unanswered = this.#unanswered.get(member);
    if (unanswered === undefined) this.#unanswered.set(member, (unanswered = new Set()));
    unanswered.add(aor);
    this.#context.send(member, { type: "watch", aor, order: ++this.#order });
  }

  #unregister(aor: Aor, member: number): void {
    this.#context.send(member, { type: "unwatch", aor, order: ++this.#order });
  }

  /** Nothing is told that too few replicas would revoke. @param waitMs how long an owner is waited for who is asked */
  #consider(nowMs: number, watch: Watch, waitMs = this.#context.tuning.attemptMs): void {
    if (!this.#isMoved(watch)) return this.#move(nowMs, watch);
    if (!this.#hears(nowMs, watch)) return;
    const { quorum, reports } = watch;
    const chosen = chosenBallot(quorum, reports);
    if (chosen !== undefined) this.#tellOwner(watch, chosen);
    else if (isNobody(quorum, reports)) return this.#tell(watch, { kind: "nobody" });
    const highest = highestValid(reports);
    if (highest !== undefined && this.#isNews(watch, highest)) this.#confirmSoon(nowMs, watch, waitMs);
  }

  #isNews({ told, newest }: Watch, epoch: Ballot): boolean {
    return told?.kind !== "owner" || newest === undefined || compareBallots(epoch, newest) > 0;
  }

  /** The other replicas' reports usually arrive first; else the owner knows. */
  #confirmSoon(nowMs: number, watch: Watch, waitMs: number): void {
    if (watch.confirmation !== undefined) return;
    const { attemptMs } = this.#context.tuning;
    watch.confirmation = this.#context.agenda.add(nowMs + attemptMs / 10, (atMs) => this.#confirm(atMs, watch, waitMs));
  }

  #confirm(nowMs: number, watch: Watch, waitMs: number): void {
    const context = this.#context;
    watch.confirmation = undefined;
    const epoch = highestValid(watch.reports);
    if (epoch === undefined || !this.#isNews(watch, epoch)) return;
    const { attemptMs } = context.tuning;
    // As far away as a round of a claim or lookup reaches.
    let nextWaitMs = Math.min(waitMs * 2, attemptMs * LONGEST_ROUND);
    const op = context.openOp((atMs, _from, message) => {
      context.closeOp(op);
      nextWaitMs = attemptMs;
      if (message.type !== "confirmed" || this.#watches.get(watch.aor) !== watch || !this.#hears(atMs, watch)) return;
      if (message.owned !== undefined) this.#tellOwner(watch, message.owned);
    });
    watch.confirmation = context.agenda.add(nowMs + waitMs, (atMs) => {
      context.closeOp(op);
      watch.confirmation = undefined;
      if (this.#watches.get(watch.aor) !== watch) return;
      // Who proposed it cannot be asked, and no majority says who owns: what was told before may be over.
      const isUnknown = chosenBallot(watch.quorum, watch.reports) === undefined;
      if (isUnknown && watch.told !== undefined) this.#tell(watch, { kind: "missed" });
      this.#consider(atMs, watch, nextWaitMs);
    });
    context.send(epoch.member, { type: "confirm", op, aor: watch.aor, ballot: epoch });
  }

  #tellOwner(watch: Watch, epoch: Ballot): void {
    if (watch.newest !== undefined && compareBallots(epoch, watch.newest) < 0) return;
    watch.newest = epoch;
    watch.confirmation?.cancel();
    watch.confirmation = undefined;
    this.#tell(watch, { kind: "owner", epoch });
  }

  #tell(watch: Watch, state: OwnerState): void {
    const { told } = watch;
    if (told?.kind === state.kind && (told.kind !== "owner" || sameBallot(told.epoch, (state as typeof told).epoch)))
      return;
    watch.told = state;
    this.#context.emit({ kind: "watched", aor: watch.aor, state });
  }
}

/** The same ballot as another replica reported it: mostly all report one, and there may be 200,000 watches. */
function shared({ reports, newest }: Watch, ballot: Ballot): Ballot {
  if (newest !== undefined && sameBallot(newest, ballot)) return newest;
  for (const reported of reports.values()) if (reported !== undefined && sameBallot(reported, ballot)) return reported;
  return ballot;
}
