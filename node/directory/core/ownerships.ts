import type { Aor } from "../../../dht-schema/aor.ts";
import type { Ballot, Epoch } from "../../../dht-schema/ballot.ts";
import { compareBallots, sameBallot } from "../../../dht-schema/ballot.ts";
import { QueueMap } from "../../runtime/queue-map.ts";
import type { Context, LossReason } from "./context.ts";
import type { Leases, LeaseSnapshot } from "./leases.ts";
import type { Quorum } from "./quorum.ts";
import { isQuorum } from "./quorum.ts";
import { RosterMoves } from "./roster-moves.ts";

/** How an ownership counted before the roster changed: on leases frozen at that instant, so only for the rest of their term. */
interface Former {
  readonly quorum: Quorum;
  readonly generations: readonly number[];
  readonly leases: ReadonlyMap<number, LeaseSnapshot>;
}

/** What an ownership counts on. */
interface Footing {
  readonly quorum: Quorum;
  /** For each of `quorum.members`: generation of the lease under which it accepted, 0 where it has not. */
  readonly generations: readonly number[];
  readonly former: Former | undefined;
}

/** The latest change of the roster's voters. */
interface RosterChange {
  readonly atMs: number;
  /** Those of that instant. */
  readonly leases: ReadonlyMap<number, LeaseSnapshot>;
  readonly intoJoint: boolean;
}

/** An AoR that this server owns. */
interface Ownership extends Footing {
  readonly aor: Aor;
  readonly epoch: Epoch;
  /** Of the claim with which the unbroken ownership began. */
  readonly firstEpoch: Epoch;
  /** Of an earlier roster until the ownership is moved to that in force. */
  quorum: Quorum;
  generations: readonly number[];
  former: Former | undefined;
  /** Whole ms. */
  readonly sinceMs: number;
}

/** Catch-up with one replica: it is told of the ballots it lacks, some at a time. */
interface CatchUp {
  readonly waiting: QueueMap<Aor, true>;
  readonly underWay: Map<number, Aor>;
}

/** Combinations of lease generations remembered so that ownerships share them. */
const SHARED_GENERATIONS = 1024;

/** What the ownerships need done by others. */
export interface OwnershipHooks {
  /** A replica refuses the AoR's ballot: only a higher one can be accepted there. */
  reclaim(nowMs: number, aor: Aor): void;
  /** The AoR is no longer owned. */
  lost(nowMs: number, aor: Aor): void;
}

/**
 * What this server owns, and whether it still does. An ownership stands while a majority of the AoR's replicas accepted
 * it under leases that are live by our own clock; it is looked at whenever something is done in the user's name. Once it
 * has not stood for an instant it is lost for good: leases change generation when they lapse, and no acceptance is added to an ownership that has lapsed.
 */
export class Ownerships {
  readonly #context: Context;
  readonly #leases: Leases;
  readonly #owned = new Map<Aor, Ownership>();
  readonly #catchUps = new Map<number, CatchUp>();
  readonly #shared = new Map<string, readonly number[]>();
  readonly #hooks: OwnershipHooks;
  #change: RosterChange | undefined;
  readonly #moves: RosterMoves<Ownership>;

  constructor(context: Context, leases: Leases, hooks: OwnershipHooks) {
    this.#context = context;
    this.#leases = leases;
    this.#hooks = hooks;
    this.#moves = new RosterMoves(context, (nowMs, ownership) => this.#move(nowMs, ownership));
  }

  get size(): number {
    return this.#owned.size;
  }

  /** The epoch under which the AoR is owned at this instant. */
  epoch(nowMs: number, aor: Aor): Epoch | undefined {
    const ownership = this.#owned.get(aor);
    return ownership !== undefined && this.#stands(nowMs, ownership) ? ownership.epoch : undefined;
  }

  /** The epoch with which the ownership began that stands at this instant. */
  firstEpoch(nowMs: number, aor: Aor): Epoch | undefined {
    const ownership = this.#owned.get(aor);
    return ownership !== undefined && this.#stands(nowMs, ownership) ? ownership.firstEpoch : undefined;
  }

  /** The ballot this server goes by for the AoR, whether or not it stands. */
  ballot(aor: Aor): Ballot | undefined {
    return this.#owned.get(aor)?.epoch;
  }

  /** How long the ownership stands without another renewal, ms; 0 when it does not. */
  leaseLeftMs(nowMs: number, aor: Aor): number {
    const ownership = this.#owned.get(aor);
    if (ownership === undefined) return 0;
    const { quorum, generations } = this.#footing(ownership);
    const expiries = quorum.groups.map((group) => {
      const left = group.map((member) => {
        const at = quorum.members.indexOf(member);
        return this.#leases.expiryMs(member, generations[at] as number) - nowMs;
      });
      return left.sort((a, b) => b - a)[group.length >> 1] as number;
    });
    return Math.max(0, Math.min(...expiries));
  }

  /** All that stand at this instant. */
  list(nowMs: number): { aor: Aor; epoch: Epoch; ownedForMs: number }[] {
    const all: { aor: Aor; epoch: Epoch; ownedForMs: number }[] = [];
    this.each(nowMs, (aor, epoch, sinceMs) => all.push({ aor, epoch, ownedForMs: nowMs - sinceMs }));
    return all;
  }

  each(nowMs: number, visit: (aor: Aor, epoch: Epoch, sinceMs: number) => void): void {
    // Most that are owned stand or fall together: by the same replicas, under the same leases.
    let like: Ownership | undefined;
    let stands = false;
    for (const ownership of this.#owned.values()) {
      const isAlike = like !== undefined && this.#isMoved(ownership) && standAlike(like, ownership);
      if (!isAlike) stands = this.#stands(nowMs, (like = ownership));
      if (stands) visit(ownership.aor, ownership.epoch, ownership.sinceMs);
    }
  }

  /**
   * Claimed → owned, when a majority accepted under leases that are live still.
   * @param sessions the session under which each replica accepted
   * @returns whether it is owned
   */
  begin(nowMs: number, aor: Aor, epoch: Epoch, quorum: Quorum, sessions: ReadonlyMap<number, number>): boolean {
    const generations = this.#share(
      quorum.members.map((member) => {
        const session = sessions.get(member);
        return session === undefined ? 0 : this.#leases.generationOf(nowMs, member, session);
      }),
    );
    let before = this.#owned.get(aor);
    if (before !== undefined && !this.#stands(nowMs, before)) {
      this.#lose(nowMs, before, "expired", undefined);
      before = undefined;
    }
    const firstEpoch = before?.firstEpoch ?? epoch;
    const ownership: Ownership = {
      aor,
      epoch,
      firstEpoch,
      quorum,
      generations,
      former: undefined,
      sinceMs: Math.floor(nowMs),
    };
    if (!this.#stands(nowMs, ownership)) return false;
    // Under a higher ballot of our own the ownership goes on; its leases stay in use.
    if (before === undefined) for (const member of quorum.members) this.#leases.use(nowMs, member);
    else this.#moveUses(nowMs, before.quorum, quorum);
    this.#owned.set(aor, ownership);
    return true;
  }

  /** A replica accepted a ballot that is owned already: late, or in catch-up. */
  accepted(nowMs: number, aor: Aor, ballot: Ballot, from: number, session: number): void {
    const ownership = this.#moved(nowMs, aor);
    if (ownership === undefined || !sameBallot(ownership.epoch, ballot)) return;
    if (!this.#stands(nowMs, ownership)) return this.#lose(nowMs, ownership, "expired", undefined);
    const at = ownership.quorum.members.indexOf(from);
    if (at < 0) return;
    const generation = this.#leases.generationOf(nowMs, from, session);
    ownership.generations = this.#share(ownership.generations.with(at, generation));
    if (ownership.former !== undefined && this.#standsNow(nowMs, ownership)) ownership.former = undefined;
  }

  /** Owned → lost, on purpose. Returns the quorum to tell. */
  end(nowMs: number, aor: Aor, reason: LossReason, to: Epoch | undefined): Quorum | undefined {
    const ownership = this.#moved(nowMs, aor);
    if (ownership === undefined) return undefined;
    this.#lose(nowMs, ownership, this.#stands(nowMs, ownership) ? reason : "expired", to);
    return ownership.quorum;
  }

  /** Finds what has lapsed since the last look, so that its loss is told even if nobody asks. Of what is still to be moved that is told then. */
  sweep(nowMs: number): void {
    for (const ownership of this.#owned.values()) {
      if (this.#isMoved(ownership) && !this.#stands(nowMs, ownership))
        this.#lose(nowMs, ownership, "expired", undefined);
    }
  }

  /** Queues every replica that lacks the AoR's ballot for catch-up. */
  catchUp(nowMs: number, aor: Aor): void {
    const ownership = this.#moved(nowMs, aor);
    if (ownership === undefined) return;
    for (const [at, member] of ownership.quorum.members.entries()) {
      if (!this.#holds(nowMs, ownership, at, member)) this.#queue(member).waiting.set(aor, true);
    }
    for (const member of ownership.quorum.members) this.#pump(nowMs, member);
  }

  /** A lease began a new generation: the replica may have forgotten everything, and what it still has no longer counts. */
  leaseBegan(nowMs: number, member: number): void {
    const catchUp = this.#queue(member);
    for (const op of catchUp.underWay.keys()) this.#context.closeOp(op);
    catchUp.underWay.clear();
    const { attemptMs } = this.#context.tuning;
    for (const ownership of this.#owned.values()) {
      // What is still to be moved is caught up then.
      if (!this.#isMoved(ownership) || !ownership.quorum.members.includes(member)) continue;
      // Where leases lapsed and began anew between two looks for lapses, only this tells of the loss.
      if (!this.#stands(nowMs, ownership)) this.#lose(nowMs, ownership, "expired", undefined);
      // What was won just now is caught up when the answers that are on their way are in.
      else if (nowMs - ownership.sinceMs >= attemptMs) catchUp.waiting.set(ownership.aor, true);
    }
    this.#pump(nowMs, member);
  }

  /**
   * The roster changed its voters. What stood under the old version goes on standing for the rest of the leases it had,
   * unextended, until the replicas of the new version have caught up. There may be a million ownerships: so many are moved to the new version at once, and each that is
   * needed before its turn when it is. Until then it stands as if it had been moved.
   */
  rosterChanged(nowMs: number, change: Omit<RosterChange, "atMs">): void {
    this.#change = { ...change, atMs: nowMs };
    this.#moves.begin(nowMs, this.#owned.values());
  }

  /** Moves all that the latest change has left: before the next. */
  finishMoves(nowMs: number): void {
    this.#moves.finish(nowMs);
  }

  /** Whether no ownership depends on how an earlier roster version counted. */
  settled(nowMs: number): boolean {
    if (!this.#moves.isOver) return false;
    for (const ownership of this.#owned.values()) {
      if (ownership.former !== undefined && this.#stands(nowMs, ownership)) return false;
    }
    return true;
  }

  #isMoved({ quorum }: Ownership): boolean {
    return quorum.version === this.#context.roster().version;
  }

  /** The ownership of an AoR, under the roster in force: if it stands no more as it is moved, it is lost. */
  #moved(nowMs: number, aor: Aor): Ownership | undefined {
    const ownership = this.#owned.get(aor);
    if (ownership === undefined || this.#isMoved(ownership)) return ownership;
    this.#move(nowMs, ownership);
    return this.#owned.get(aor);
  }

  #move(nowMs: number, ownership: Ownership): void {
    if (this.#isMoved(ownership)) return;
    if (!this.#stoodAtChange(ownership)) return this.#lose(nowMs, ownership, "expired", undefined);
    const { quorum: before } = ownership;
    const { quorum, generations, former } = this.#footing(ownership);
    ownership.quorum = quorum;
    ownership.generations = this.#share(generations);
    this.#moveUses(nowMs, before, quorum);
    ownership.former = this.#standsNow(nowMs, ownership) ? undefined : former;
    if (!this.#stands(nowMs, ownership)) this.#lose(nowMs, ownership, "expired", undefined);
    else this.catchUp(nowMs, ownership.aor);
  }

  /** What an ownership counts on under the roster in force, whether or not it has been moved to it. */
  #footing(ownership: Ownership): Footing {
    if (this.#isMoved(ownership)) return ownership;
    const { quorum: before, generations, former } = ownership;
    const { intoJoint, leases } = this.#change as RosterChange;
    const quorum = this.#context.quorumOf(ownership.aor);
    return {
      quorum,
      generations: quorum.members.map((member) => generations[before.members.indexOf(member)] ?? 0),
      former: intoJoint ? (former ?? { quorum: before, generations, leases }) : undefined,
    };
  }

  /** One array for all ownerships that the same leases hold: there are few, while leases live. */
  #share(generations: readonly number[]): readonly number[] {
    const name = generations.join();
    const known = this.#shared.get(name);
    if (known !== undefined) return known;
    if (this.#shared.size >= SHARED_GENERATIONS) this.#shared.clear();
    this.#shared.set(name, generations);
    return generations;
  }

  #stands(nowMs: number, ownership: Ownership): boolean {
    if (!this.#isMoved(ownership) && !this.#stoodAtChange(ownership)) return false;
    const footing = this.#footing(ownership);
    if (this.#standsNow(nowMs, footing)) return true;
    return footing.former !== undefined && stoodAt(nowMs, footing.former);
  }

  /** Whether an ownership that is still to be moved was lost by then: what stands under the new version may not have stood under the old one. */
  #stoodAtChange({ quorum, generations, former }: Ownership): boolean {
    const { atMs, leases } = this.#change as RosterChange;
    return stoodAt(atMs, { quorum, generations, leases }) || (former !== undefined && stoodAt(atMs, former));
  }

  #standsNow(nowMs: number, { quorum, generations }: Footing): boolean {
    const { members } = quorum;
    return isQuorum(quorum, (member) => {
      const generation = generations[members.indexOf(member)] as number;
      return generation !== 0 && this.#leases.expiryMs(member, generation) > nowMs;
    });
  }

  #holds(nowMs: number, { generations }: Ownership, at: number, member: number): boolean {
    const generation = generations[at] as number;
    return generation !== 0 && this.#leases.expiryMs(member, generation) > nowMs;
  }

  #lose(nowMs: number, ownership: Ownership, reason: LossReason, to: Epoch | undefined): void {
    this.#owned.delete(ownership.aor);
    for (const member of ownership.quorum.members) this.#leases.drop(member);
    this.#context.emit({ kind: "lost", aor: ownership.aor, epoch: ownership.epoch, reason, to });
    this.#hooks.lost(nowMs, ownership.aor);
  }

  #moveUses(nowMs: number, from: Quorum, to: Quorum): void {
    for (const member of to.members) this.#leases.use(nowMs, member);
    for (const member of from.members) this.#leases.drop(member);
  }

  #queue(member: number): CatchUp {
    let catchUp = this.#catchUps.get(member);
    if (catchUp === undefined) this.#catchUps.set(member, (catchUp = { waiting: new QueueMap(), underWay: new Map() }));
    return catchUp;
  }

  /** Sends as much as the window allows; goes on at each answer, and when the lease begins anew. */
  #pump(nowMs: number, member: number): void {
    const { waiting, underWay } = this.#queue(member);
    const context = this.#context;
    if (this.#leases.generation(nowMs, member) === 0) return;
    while (underWay.size < context.tuning.catchUpWindow) {
      const first = waiting.shift();
      if (first === undefined) return;
      const [aor] = first;
      const ownership = this.#owned.get(aor);
      // What is still to be moved comes again when it is.
      if (ownership === undefined || !this.#isMoved(ownership)) continue;
      const at = ownership.quorum.members.indexOf(member);
      // What has lapsed must not be caught up: an answer would seem to bring it back.
      if (at < 0 || !this.#stands(nowMs, ownership)) continue;
      if (this.#holds(nowMs, ownership, at, member)) continue;
      this.#push(nowMs, member, ownership, underWay);
    }
  }

  #push(nowMs: number, member: number, { aor, epoch }: Ownership, underWay: Map<number, Aor>): void {
    const context = this.#context;
    const op = context.openOp((atMs, from, message) => {
      finish();
      if (message.type === "accepted") this.accepted(atMs, aor, epoch, from, message.session);
      else if (message.type === "refused" && message.reason === "promised") {
        context.sawBallot(message.promised);
        if (compareBallots(message.promised, epoch) > 0) this.#hooks.reclaim(atMs, aor);
      } else again(atMs);
      this.#pump(atMs, member);
    });
    const again = (atMs: number) =>
      context.agenda.add(atMs + context.roster().leaseMs / 4, (laterMs) => {
        this.#queue(member).waiting.set(aor, true);
        this.#pump(laterMs, member);
      });
    const finish = () => {
      patience.cancel();
      underWay.delete(op);
      context.closeOp(op);
    };
    // An answer may never come, when a link broke in between: then it is asked again.
    const patience = context.agenda.add(nowMs + context.roster().leaseMs / 4, (atMs) => {
      if (!underWay.has(op)) return;
      finish();
      this.#queue(member).waiting.set(aor, true);
      this.#pump(atMs, member);
    });
    underWay.set(op, aor);
    context.send(member, {
      type: "accept",
      op,
      aor,
      ballot: epoch,
      boot: context.boot,
      incarnation: this.#leases.incarnation(member),
    });
  }
}

/** Whether what counted on frozen leases stands at an instant. */
function stoodAt(nowMs: number, { quorum, generations, leases }: Former): boolean {
  return isQuorum(quorum, (member) => {
    const lease = leases.get(member);
    const generation = generations[quorum.members.indexOf(member)];
    return lease !== undefined && lease.generation === generation && lease.expiresMs > nowMs;
  });
}

/** Whether two ownerships stand at the same instants, which is seen at a glance as they share what they stand by. */
function standAlike(a: Ownership, b: Ownership): boolean {
  return a.quorum === b.quorum && a.generations === b.generations && a.former === undefined && b.former === undefined;
}
