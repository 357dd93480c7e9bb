import type { Aor } from "../../../dht-schema/aor.ts";
import type { Ballot, Epoch } from "../../../dht-schema/ballot.ts";
import { BALLOT_MAX, compareBallots, NO_BALLOT } from "../../../dht-schema/ballot.ts";
import type { Batch, DirectoryMessage, MessageOf } from "../../../dht-schema/directory-messages.ts";
import type { Roster } from "../../../dht-schema/roster.ts";
import { isJoint, isNewerRoster } from "../../../dht-schema/roster.ts";
import { Agenda } from "./agenda.ts";
import { BallotCounter } from "./ballot-counter.ts";
import type { ClaimPurpose } from "./claim.ts";
import { Claims, LEAVING, RECLAIM } from "./claims.ts";
import type { AnswerHandler, ClaimResult, Context, DirectoryEvent, OwnerState } from "./context.ts";
import type { CoreInit, CoreOutput } from "./core-boundary.ts";
import { ForwardingNotes } from "./forwarding-notes.ts";
import { graceMs } from "./grace.ts";
import { HeldBatches } from "./held-batches.ts";
import { inBatches } from "./in-batches.ts";
import { Leases } from "./leases.ts";
import type { LookupMode } from "./lookup.ts";
import { startInspection, startLookup } from "./lookup.ts";
import { Ownerships } from "./ownerships.ts";
import { Quorums } from "./quorum.ts";
import { Replica } from "./replica.ts";
import type { Report } from "./steward.ts";
import { startSteward } from "./steward.ts";
import { brokenRule } from "./violations.ts";
import { Watches } from "./watches.ts";

const NO_OUTPUT: CoreOutput = { batches: [], events: [] };
const REQUESTS_OF_A_VERSION = new Set<DirectoryMessage["type"]>(["renew", "prepare", "accept", "read", "watch"]);
const MEMBER_MAX = 0xffff_ffff;
/** Room for the requests of one start, so that no answer to one of an earlier start, still on its way, is taken for an answer to one of this. */
const OPS_PER_BOOT = 2 ** 30;
/** How far the roster of another server may be ahead of ours while it is on its way here. */
const VERSIONS_AHEAD = 16;

/**
 * The directory of one server as one state machine: no clock, socket, promise or randomness of its own.
 * Call a method with the time, then {@link takeOutput}; call {@link tick} at {@link nextDeadlineMs}.
 */
export class DirectoryCore {
  readonly self: number;
  readonly boot: number;
  /** What this server has to hand on, beside the users that it owns, before it can be taken out of the roster: the driver's to count. */
  owing = 0;
  readonly #agenda = new Agenda();
  readonly #context: Context;
  readonly #replica: Replica;
  readonly #leases: Leases;
  readonly #ownerships: Ownerships;
  readonly #watches: Watches;
  #roster: Roster;
  #quorums: Quorums;
  readonly #counter: BallotCounter;
  /** Whose message is being looked at. */
  #speaker: number;

  readonly #ops = new Map<number, AnswerHandler>();
  #lastOp: number;
  readonly #claims: Claims;
  /** The latest question of each server whether this one owns an AoR, while a claim of it is under way. */
  readonly #asked = new Map<Aor, Map<number, MessageOf<"confirm">>>();
  readonly #forwarding: ForwardingNotes;
  readonly #held: HeldBatches;

  readonly #stewardReports: ReadonlyMap<number, Report>;
  #outgoing = new Map<number, DirectoryMessage[]>();
  readonly #toSelf: DirectoryMessage[] = [];
  #toSelfDelivered = 0;
  /** Whether a {@link tick} is due for the rest of them. */
  #isGoingOn = false;
  #events: DirectoryEvent[] = [];

  constructor(nowMs: number, init: CoreInit) {
    const { roster, boot, tuning } = init;
    this.self = init.self;
    this.boot = boot;
    this.#roster = roster;
    this.#quorums = new Quorums(roster);
    this.#counter = new BallotCounter(nowMs, init.ceiling);
    this.#speaker = init.self;
    this.#lastOp = boot * OPS_PER_BOOT;
    const context: Context = {
      self: init.self,
      boot,
      tuning,
      agenda: this.#agenda,
      silent: new Set(),
      roster: () => this.#roster,
      quorumOf: (aor) => this.#quorums.of(aor),
      random: init.random,
      send: (to, message) => this.#send(to, message),
      emit: (event) => void this.#events.push(event),
      openOp: (handler) => {
        this.#ops.set(++this.#lastOp, handler);
        return this.#lastOp;
      },
      closeOp: (op) => void this.#ops.delete(op),
      nextBallot: () => {
        const counter = this.#counter.next();
        return counter === undefined ? undefined : { version: this.#roster.version, counter, member: init.self };
      },
      sawBallot: (ballot) => {
        const isReached = this.#counter.follow(ballot.counter);
        if (!isReached) this.#context.emit({ kind: "violation", from: this.#speaker, rule: "counter-leap" });
        return isReached;
      },
      ballotAbove: () => context.nextBallot() ?? { ...BALLOT_MAX, version: this.#roster.version, member: init.self },
      highestCounter: () => this.#counter.value,
    };
    this.#context = context;
    this.#forwarding = new ForwardingNotes(context);
    this.#held = new HeldBatches(tuning.heldMessages);
    // A first start has granted nothing before; the only server there is granted to nobody but itself, which is dead.
    const hadGranted = boot > 1 && roster.servers.length > 1;
    this.#replica = new Replica(context, {
      abstainsUntilMs: hadGranted ? nowMs + graceMs(roster) : nowMs,
      floor: boot > 1 ? { version: roster.version, counter: init.ceiling, member: MEMBER_MAX } : NO_BALLOT,
      ceiling: init.ceiling,
    });
    this.#leases = new Leases(context, {
      began: (atMs, member) => {
        this.#ownerships.leaseBegan(atMs, member);
        this.#watches.leaseBegan(atMs, member);
      },
      renewed: (atMs, member, session, notices) => this.#watches.leaseRenewed(atMs, member, session, notices),
    });
    this.#ownerships = new Ownerships(context, this.#leases, {
      reclaim: (atMs, aor) => this.#claims.reclaim(atMs, aor),
      lost: (atMs, aor) => this.#claims.abandonReclaim(atMs, aor),
    });
    const components = { leases: this.#leases, ownerships: this.#ownerships };
    this.#claims = new Claims(context, components, (...end) => this.#claimEnded(...end));
    this.#watches = new Watches(context, this.#leases);
    this.#lookForLapses(nowMs);
    this.#stewardReports = init.steward ? startSteward(context, nowMs) : new Map();
  }

  /** What each server last said to the steward, when that is this server and it is at work. */
  stewardReports(): ReadonlyMap<number, Report> {
    return this.#stewardReports;
  }

  get roster(): Roster {
    return this.#roster;
  }

  /** When {@link tick} is due, on the clock of `nowMs`. */
  nextDeadlineMs(): number {
    return this.#agenda.nextMs;
  }

  tick(nowMs: number): void {
    this.#counter.pass(nowMs);
    this.#agenda.runDue(nowMs);
    this.#deliverToSelf(nowMs);
  }

  /** Messages of a server of the roster arrived. */
  receive(nowMs: number, from: number, batch: Batch): void {
    this.#context.silent.delete(from);
    this.#counter.pass(nowMs);
    if (batch.rosterVersion > this.#roster.version) return this.#held.keep(from, batch);
    const behind = batch.rosterVersion < this.#roster.version;
    for (const message of batch.messages) {
      // The sender is behind: it starts its requests again under the new roster when that reaches it.
      if (behind && REQUESTS_OF_A_VERSION.has(message.type)) continue;
      this.#dispatch(nowMs, from, message);
    }
    this.#deliverToSelf(nowMs);
  }

  /** A newer roster is in force here (stored, if it has to survive a restart). */
  installRoster(nowMs: number, next: Roster): void {
    const before = this.#roster;
    if (!isNewerRoster(next, before)) return;
    const isOfVoters = next.version !== before.version;
    // Of the change before this one nothing is left to be done.
    if (isOfVoters) for (const kept of [this.#ownerships, this.#watches]) kept.finishMoves(nowMs);
    const leases = this.#leases.snapshot();
    this.#roster = next;
    if (isOfVoters) {
      this.#quorums = new Quorums(next);
      const intoJoint = isJoint(next) && next.version === before.version + 1;
      this.#ownerships.rosterChanged(nowMs, { leases, intoJoint });
      for (const member of Array.from(this.#leases.members())) this.#leases.refresh(nowMs, member);
      this.#watches.rosterChanged(nowMs);
      this.#claims.restart(nowMs);
    }
    if (this.#isLeaving()) {
      this.#claims.cancelAll(nowMs, LEAVING);
      for (const { aor } of this.#ownerships.list(nowMs)) this.release(nowMs, aor);
    }
    for (const { from, batch } of this.#held.take()) this.receive(nowMs, from, batch);
    this.#deliverToSelf(nowMs);
  }

  /** The link to a server came up: what was lost with the former one is sent again. */
  linkUp(nowMs: number, member: number): void {
    this.#leases.refresh(nowMs, member);
    this.#deliverToSelf(nowMs);
  }

  /** The higher ceiling asked for by `raise-ceiling` is durable. */
  ceilingStored(counter: number): void {
    this.#replica.ceilingStored(counter);
  }

  /**
   * Starts a claim; `claimed` tells its end. Claims of one AoR go one after the other.
   * @param since the epoch to go on from: the claim ends as superseded where another server has owned since
   */
  claim(nowMs: number, id: number, aor: Aor, purpose: ClaimPurpose, deadlineMs: number, since?: Epoch): void {
    this.#claims.start(nowMs, { id, aor, purpose, deadlineMs, since });
    this.#deliverToSelf(nowMs);
  }

  cancelClaim(nowMs: number, id: number, aor: Aor): void {
    this.#claims.cancel(nowMs, id, aor);
    this.#deliverToSelf(nowMs);
  }

  release(nowMs: number, aor: Aor): void {
    // Above every ballot of ours until now: replicas may already hold a higher one that a re-claim was after, and they remember what
    // was owned from what was not by it. A claim that waits for the end of the re-claim begins with it, and goes above.
    if (this.#ownerships.ballot(aor) === undefined) return;
    const ballot = this.#context.ballotAbove();
    const quorum = this.#ownerships.end(nowMs, aor, "released", undefined);
    if (quorum === undefined) return;
    for (const member of quorum.members) this.#send(member, { type: "release", aor, ballot });
    this.#deliverToSelf(nowMs);
  }

  lookup(nowMs: number, id: number, aor: Aor, mode: LookupMode, deadlineMs: number): void {
    startLookup(this.#context, nowMs, aor, { mode, deadlineMs }, (atMs, result) => {
      if (result.kind === "owner" && result.epoch.member === this.self) this.#disown(atMs, aor, result.epoch);
      this.#context.emit({ kind: "found", lookup: id, aor, result });
    });
    this.#deliverToSelf(nowMs);
  }

  inspect(nowMs: number, id: number, aor: Aor): void {
    startInspection(this.#context, nowMs, aor, (_atMs, answers) =>
      this.#context.emit({ kind: "inspected", lookup: id, aor, answers }),
    );
    this.#deliverToSelf(nowMs);
  }

  /** Fetches the signed binding of an AoR that is held here, from its owner; `record-fetched` tells the end. */
  fetchRecord(nowMs: number, id: number, aor: Aor): void {
    const held = this.#replica.valid(nowMs, aor);
    const finish = (signed: Uint8Array | undefined) =>
      this.#context.emit({ kind: "record-fetched", fetch: id, signed });
    if (held === undefined) return finish(undefined);
    const op = this.#context.openOp((_atMs, _from, message) => {
      this.#context.closeOp(op);
      patience.cancel();
      finish(message.type === "record" ? message.signed : undefined);
    });
    const patience = this.#agenda.add(nowMs + this.#context.tuning.attemptMs, () => {
      this.#context.closeOp(op);
      finish(undefined);
    });
    this.#send(held.member, { type: "fetchRecord", op, aor });
    this.#deliverToSelf(nowMs);
  }

  /** Answers `record-wanted`. */
  sendRecord(nowMs: number, to: number, op: number, signed: Uint8Array | undefined): void {
    this.#send(to, { type: "record", op, signed });
    this.#deliverToSelf(nowMs);
  }

  watch(nowMs: number, aor: Aor): void {
    this.#watches.start(nowMs, aor);
    this.#deliverToSelf(nowMs);
  }

  unwatch(nowMs: number, aor: Aor): void {
    this.#watches.stop(aor);
    this.#deliverToSelf(nowMs);
  }

  /** State of a watched AoR, if it is known without a message. */
  watched(nowMs: number, aor: Aor): OwnerState | undefined {
    return this.#watches.known(nowMs, aor);
  }

  /** The epoch under which this server owns the AoR at this instant. */
  owned(nowMs: number, aor: Aor): Epoch | undefined {
    return this.#ownerships.epoch(nowMs, aor);
  }

  /** The epoch with which the unbroken ownership of this instant began. */
  ownedSince(nowMs: number, aor: Aor): Epoch | undefined {
    return this.#ownerships.firstEpoch(nowMs, aor);
  }

  /** The epoch that another server claimed an AoR with, for some time after it was handed over. */
  forwardingNote(aor: Aor): Epoch | undefined {
    return this.#forwarding.get(aor);
  }

  /** Whether an epoch could be true: no farther above what is known here than rosters and counters grow. */
  believes(nowMs: number, { version, counter }: Epoch): boolean {
    this.#counter.pass(nowMs);
    return version <= this.#roster.version + VERSIONS_AHEAD && this.#counter.follow(counter);
  }

  /** What this server, as a replica, holds as valid for an AoR. */
  held(nowMs: number, aor: Aor): Ballot | undefined {
    return this.#replica.valid(nowMs, aor);
  }

  owners(nowMs: number): { aor: Aor; epoch: Epoch; ownedForMs: number }[] {
    return this.#ownerships.list(nowMs);
  }

  eachOwned(nowMs: number, visit: (aor: Aor, epoch: Epoch) => void): void {
    this.#ownerships.each(nowMs, visit);
  }

  leaseLeftMs(nowMs: number, aor: Aor): number {
    return this.#ownerships.leaseLeftMs(nowMs, aor);
  }

  /** Sessions this server holds at replicas. */
  *sessions(nowMs: number): Iterable<{ member: number; leaseLeftMs: number }> {
    for (const member of this.#leases.members()) {
      const generation = this.#leases.generation(nowMs, member);
      yield { member, leaseLeftMs: Math.max(0, this.#leases.expiryMs(member, generation) - nowMs) };
    }
  }

  stats(nowMs: number) {
    const claims = this.#claims.size;
    return { owned: this.#ownerships.size, watched: this.#watches.size, claims, ...this.#replica.stats(nowMs) };
  }

  holdings(nowMs: number): Iterable<{ aor: Aor; epoch: Ballot; validForMs: number }> {
    return this.#replica.holdings(nowMs);
  }

  /** Messages and events since the last call. */
  takeOutput(): CoreOutput {
    const events = this.#events;
    if (this.#outgoing.size === 0 && events.length === 0) return NO_OUTPUT;
    const rosterVersion = this.#roster.version;
    const batches: { to: number; batch: Batch }[] = [];
    for (const [to, messages] of this.#outgoing) {
      for (const some of inBatches(messages)) batches.push({ to, batch: { rosterVersion, messages: some } });
    }
    this.#outgoing = new Map();
    this.#events = [];
    return { batches, events };
  }

  #send(to: number, message: DirectoryMessage): void {
    if (to === this.self) {
      this.#toSelf.push(message);
      return;
    }
    const queue = this.#outgoing.get(to);
    if (queue === undefined) this.#outgoing.set(to, [message]);
    else queue.push(message);
  }

  /**
   * A server is a replica like the others, for itself too. Where a lease begins anew there is a message for each user that it owns or watches, and one after each: so many are
   * looked at, and the rest at the next {@link tick}, after what others have sent meanwhile.
   */
  #deliverToSelf(nowMs: number): void {
    if (this.#isGoingOn) return;
    const { selfMessages } = this.#context.tuning;
    for (let looked = 0; this.#toSelfDelivered < this.#toSelf.length && looked < selfMessages; looked++)
      this.#dispatch(nowMs, this.self, this.#toSelf[this.#toSelfDelivered++] as DirectoryMessage);
    // All at once: to take out the first one each time would move all others.
    this.#toSelf.splice(0, this.#toSelfDelivered);
    this.#toSelfDelivered = 0;
    if (this.#toSelf.length === 0) return;
    this.#isGoingOn = true;
    this.#agenda.add(nowMs, () => (this.#isGoingOn = false));
  }

  #dispatch(nowMs: number, from: number, message: DirectoryMessage): void {
    this.#speaker = from;
    const rule = brokenRule(message, from, this.#roster.version);
    if (rule !== undefined) return this.#context.emit({ kind: "violation", from, rule });
    switch (message.type) {
      case "renew":
      case "prepare":
      case "accept":
      case "release":
      case "read":
      case "watch":
      case "unwatch":
        return this.#replica.receive(nowMs, from, message);
      case "notice":
        return this.#watches.noticed(nowMs, from, message);
      case "notWatched":
        return this.#watches.refused(nowMs, from, message.aor);
      case "handover":
        return this.#handOver(nowMs, from, message);
      case "confirm":
        return this.#confirm(nowMs, from, message);
      case "fetchRecord":
        return this.#recordWanted(nowMs, from, message);
      case "settle":
        return this.#settled(nowMs, from, message.op);
      default:
        return this.#ops.get(message.op)?.(nowMs, from, message);
    }
  }

  #recordWanted(nowMs: number, from: number, { op, aor }: MessageOf<"fetchRecord">): void {
    const epoch = this.#ownerships.epoch(nowMs, aor);
    if (epoch === undefined) this.#send(from, { type: "record", op, signed: undefined });
    else this.#context.emit({ kind: "record-wanted", to: from, op, aor, epoch });
  }

  #settled(nowMs: number, from: number, op: number): void {
    const settled = this.#ownerships.settled(nowMs);
    const owned = this.#ownerships.size + this.owing;
    this.#send(from, { type: "settled", op, version: this.#roster.version, settled, owned });
  }

  /** Stops serving for good whatever this server owns or proposes below the claimant's ballot, and says so. */
  #handOver(nowMs: number, from: number, { op, aor, theirs, mine }: MessageOf<"handover">): void {
    if (theirs.member !== this.self || compareBallots(mine, theirs) <= 0 || !this.#context.sawBallot(mine)) return;
    const owned = this.#ownerships.ballot(aor);
    if (owned !== undefined && compareBallots(owned, mine) < 0) {
      this.#forwarding.remember(nowMs, aor, mine);
      this.#ownerships.end(nowMs, aor, "handed-over", mine);
    }
    this.#claims.giveWay(nowMs, aor, mine);
    this.#send(from, { type: "handedOver", op, ballot: theirs });
  }

  /** The owner's word is final. While a ballot is being proposed there is none yet: it is given when the claim has ended. */
  #confirm(nowMs: number, from: number, message: MessageOf<"confirm">): void {
    const { op, aor, ballot } = message;
    const owned = this.#ownerships.epoch(nowMs, aor);
    if (owned === undefined && !this.#disown(nowMs, aor, ballot)) {
      if (this.#claims.has(aor)) this.#answerLater(from, message);
      return;
    }
    const forwarded = owned === undefined ? this.#forwarding.get(aor) : undefined;
    this.#send(from, { type: "confirmed", op, owned, forwarded });
  }

  #answerLater(from: number, message: MessageOf<"confirm">): void {
    const asked = this.#asked.get(message.aor);
    if (asked === undefined) this.#asked.set(message.aor, new Map([[from, message]]));
    else asked.set(from, message);
  }

  #answerNow(nowMs: number, aor: Aor): void {
    const asked = this.#asked.get(aor);
    if (asked === undefined) return;
    this.#asked.delete(aor);
    for (const [from, message] of asked) this.#confirm(nowMs, from, message);
  }

  /**
   * Somebody holds a ballot of ours as valid. If it is no longer owned, a release was lost, or whoever took over never
   * finished: the replicas are told, so that they do not hold it for as long as our sessions live.
   * @returns whether it will never be owned
   */
  #disown(nowMs: number, aor: Aor, ballot: Ballot): boolean {
    if (ballot.member !== this.self || this.#ownerships.epoch(nowMs, aor) !== undefined) return false;
    const inFlight = this.#claims.ballotInFlight(aor);
    if (inFlight !== undefined) return compareBallots(inFlight, ballot) > 0;
    // It may have been owned: only by a ballot above it is it let go of without being forgotten.
    const above = this.#context.ballotAbove();
    for (const member of this.#quorums.of(aor).members) this.#send(member, { type: "release", aor, ballot: above });
    return true;
  }

  #isLeaving(): boolean {
    return this.#roster.leaving.includes(this.self);
  }

  #claimEnded(nowMs: number, aor: Aor, claim: number, result: ClaimResult): void {
    this.#answerNow(nowMs, aor);
    if (result.kind === "owned") this.#forwarding.forget(aor);
    if (claim !== RECLAIM) this.#context.emit({ kind: "claimed", claim, aor, result });
  }

  /** Losses are told soon even when nobody asks for the user. */
  #lookForLapses(nowMs: number): void {
    this.#agenda.add(nowMs + this.#roster.leaseMs / 16, (atMs) => {
      if (this.#leases.newlyLapsed(atMs) || isJoint(this.#roster)) {
        this.#ownerships.sweep(atMs);
        this.#watches.leasesLapsed(atMs);
      }
      this.#lookForLapses(atMs);
    });
  }
}
