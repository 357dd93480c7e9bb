import type { Aor } from "../../../dht-schema/aor.ts";
import type { Ballot, Epoch } from "../../../dht-schema/ballot.ts";
import { compareBallots, formatBallot, sameBallot } from "../../../dht-schema/ballot.ts";
import type { DirectoryMessage, MessageOf } from "../../../dht-schema/directory-messages.ts";
import type { Appointment } from "./agenda.ts";
import type { ClaimResult, Context } from "./context.ts";
import { LONGEST_ROUND } from "./context.ts";
import type { Leases } from "./leases.ts";
import type { Ownerships } from "./ownerships.ts";
import type { Quorum } from "./quorum.ts";
import { isQuorum, isQuorumOfSome } from "./quorum.ts";

/**
 * - `take-over`: a live owner is asked to hand over
 * - `if-free`: a live owner keeps the AoR
 * - `reclaim`: the owner itself needs a higher ballot; it goes on owning meanwhile
 */
export type ClaimPurpose = "take-over" | "if-free" | "reclaim";

/** What a claim is for. */
export interface ClaimInit {
  readonly id: number;
  readonly aor: Aor;
  readonly purpose: ClaimPurpose;
  readonly deadlineMs: number;
  /** The epoch to go on from: nothing is claimed where another server has owned since. */
  readonly since?: Epoch | undefined;
}

/** What a replica promised, with what it had accepted. */
type Promised = MessageOf<"promised">;

/** What a replica says of an AoR by accepting at once: that no other server holds it there. */
const FREE: Promised = { type: "promised", op: 0, incarnation: 0, accepted: undefined };

/** One round under one ballot. */
interface Round {
  readonly op: number;
  readonly ballot: Ballot;
  readonly quorum: Quorum;
  readonly promises: Map<number, Promised>;
  /** The session under which each replica accepted. */
  readonly sessions: Map<number, number>;
  readonly refused: Set<number>;
}

interface Preparing extends Round {
  readonly name: "preparing";
  /** Ballots whose owners were asked in this round to hand over, or whether they own. */
  readonly asked: Set<string>;
}

interface Accepting extends Round {
  readonly name: "accepting";
}

/** Owned; the replicas that have not answered yet may still. */
interface Won {
  readonly name: "won";
  readonly op: number;
  readonly ballot: Ballot;
  readonly silent: Set<number>;
  /** When no more is waited for them. */
  readonly end: Appointment;
}

type Phase =
  | Preparing
  | Accepting
  | { readonly name: "waiting" }
  | { readonly name: "backing-off" }
  | Won
  | { readonly name: "ended" };

/** Longest random pause after a collision, ms; it doubles from {@link FIRST_BACKOFF_MS}. */
const BACKOFF_MAX_MS = 1_000;
const FIRST_BACKOFF_MS = 4;
/** Pause after a replica refused for a reason that time alone will mend, ms. */
const PATIENT_MS = 100;
/**
 * While an owner that cannot be asked holds leases, pause before the replicas are asked again, ms. It doubles: when a server dies,
 * all that its users' claims can do is wait, and there may be a hundred thousand of them.
 */
const FIRST_WAIT_MS = 250;
const WAIT_MAX_MS = 2_000;

/**
 * One claim of one AoR: prepare, rule out every value that may still be owned, accept.
 * A collision or time-out starts another round under a higher ballot until `deadlineMs`; a ballot that was given up never becomes an ownership.
 */
export class Claim {
  readonly id: number;
  readonly aor: Aor;
  readonly purpose: ClaimPurpose;
  readonly deadlineMs: number;
  readonly #since: Epoch | undefined;
  readonly #context: Context;
  readonly #leases: Leases;
  readonly #ownerships: Ownerships;
  readonly #onEnd: (nowMs: number, claim: Claim, result: ClaimResult) => void;
  /** For each server that handed over or denied to own: the ballot up to which it will never serve the AoR again. */
  readonly #disowned = new Map<number, Ballot>();
  #phase: Phase = { name: "waiting" };
  #alarm: Appointment | undefined;
  #collisions = 0;
  /** How long it waits for answers in each step of a round, ms. */
  #roundMs: number;
  /** Pauses made for owners that did not answer. */
  #waits = 0;
  #from: number | undefined;
  #lastProblem = "no majority of the replicas answered";

  constructor(
    init: ClaimInit,
    components: { readonly context: Context; readonly leases: Leases; readonly ownerships: Ownerships },
    onEnd: (nowMs: number, claim: Claim, result: ClaimResult) => void,
  ) {
    this.id = init.id;
    this.aor = init.aor;
    this.purpose = init.purpose;
    this.deadlineMs = init.deadlineMs;
    this.#since = init.since;
    this.#context = components.context;
    this.#roundMs = components.context.tuning.attemptMs;
    this.#leases = components.leases;
    this.#ownerships = components.ownerships;
    this.#onEnd = onEnd;
  }

  /** The ballot that replicas may have accepted, while it is being proposed. */
  get ballotInFlight(): Ballot | undefined {
    const phase = this.#phase;
    return phase.name === "preparing" || phase.name === "accepting" ? phase.ballot : undefined;
  }

  /** Whether it has not begun: another claim of the AoR goes before it. */
  get isWaiting(): boolean {
    return this.#phase.name === "waiting";
  }

  /** any round → preparing */
  prepare(nowMs: number): void {
    if (this.#isOver()) return;
    this.#leaveRound();
    if (nowMs >= this.deadlineMs) return this.#end(nowMs, { kind: "unavailable", reason: this.#lastProblem });
    const context = this.#context;
    const quorum = context.quorumOf(this.aor);
    const ballot = context.nextBallot();
    if (ballot === undefined) return this.#end(nowMs, { kind: "unavailable", reason: "there is no ballot left" });
    const op = context.openOp((atMs, from, message) => this.#answer(atMs, op, from, message));
    const round = { op, ballot, quorum, promises: new Map(), sessions: new Map(), refused: new Set<number>() };
    this.#phase = { name: "preparing", ...round, asked: new Set() };
    this.#wake(nowMs + this.#roundMs);
    // An owner that wants a higher ballot keeps the one it has wherever the new one may not win. Who goes on from an epoch
    // has to hear first who owned last.
    const isForPromises = this.purpose === "reclaim" || this.#since !== undefined;
    const boot = isForPromises ? undefined : context.boot;
    for (const member of quorum.members) {
      this.#leases.ensure(nowMs, member);
      context.send(member, { type: "prepare", op, aor: this.aor, ballot, boot });
    }
  }

  /** any → ended: whoever asked no longer waits. */
  cancel(nowMs: number, reason = "cancelled"): void {
    if (this.#isOver()) return;
    this.#leaveRound();
    this.#end(nowMs, { kind: "unavailable", reason });
  }

  /** preparing, accepting → backing-off: another claimant asked for the ballot in flight, and the younger claim goes first. */
  giveWay(nowMs: number): void {
    if (this.ballotInFlight !== undefined) this.#collide(nowMs);
  }

  #isOver(): boolean {
    return this.#phase.name === "ended" || this.#phase.name === "won";
  }

  #wake(atMs: number): void {
    this.#alarm?.cancel();
    this.#alarm = this.#context.agenda.add(Math.min(atMs, this.deadlineMs), (nowMs) => this.#timeOut(nowMs));
  }

  /** Gives up the round's ballot: replicas that may have accepted it are told, so that nobody takes it for an ownership. */
  #leaveRound(): void {
    const phase = this.#phase;
    this.#alarm?.cancel();
    this.#phase = { name: "backing-off" };
    if (phase.name !== "preparing" && phase.name !== "accepting") return;
    this.#context.closeOp(phase.op);
    // An owner that wanted a higher ballot goes on owning by what its replicas hold, the higher ones included.
    if (this.purpose === "reclaim" && this.#ownerships.ballot(this.aor) !== undefined) return;
    // By the very ballot replicas tell what was never owned from what was.
    const ballot = this.purpose === "reclaim" ? this.#context.ballotAbove() : phase.ballot;
    for (const member of phase.quorum.members) {
      if (mayHold(phase, member)) this.#context.send(member, { type: "release", aor: this.aor, ballot });
    }
  }

  #answer(nowMs: number, op: number, from: number, message: DirectoryMessage): void {
    const phase = this.#phase;
    if (message.type === "refused") this.#context.sawBallot(message.promised);
    if (phase.name === "won" && phase.op === op) {
      if (message.type === "accepted") this.#acceptedLate(nowMs, phase, from, message.session);
    } else if (phase.name === "preparing" && phase.op === op) {
      if (message.type === "promised") this.#promised(nowMs, phase, from, message);
      else if (message.type === "accepted") this.#acceptedAtOnce(nowMs, phase, from, message.session);
      else if (message.type === "refused") this.#refused(nowMs, phase, from, message);
    } else if (phase.name === "accepting" && phase.op === op) {
      if (message.type === "accepted") this.#accepted(nowMs, phase, from, message.session);
      else if (message.type === "refused") this.#refused(nowMs, phase, from, message);
      else if (message.type === "promised" && !phase.promises.has(from)) {
        phase.promises.set(from, message);
        this.#sendAccept(from, phase.op, phase.ballot, message);
      }
    }
  }

  #promised(nowMs: number, phase: Preparing, from: number, message: Promised): void {
    phase.promises.set(from, message);
    if (message.accepted !== undefined) this.#context.sawBallot(message.accepted.ballot);
    this.#consider(nowMs, phase);
  }

  /**
   * preparing → won, once a majority accepted at once: whoever owned it would need one of these replicas. Else what the
   * others hold decides, as after promises.
   */
  #acceptedAtOnce(nowMs: number, phase: Preparing, from: number, session: number): void {
    phase.promises.set(from, FREE);
    this.#accepted(nowMs, phase, from, session);
    if (this.#phase === phase) this.#consider(nowMs, phase);
  }

  /** preparing → accepting, once a majority promised and no server that they reported may still own. */
  #consider(nowMs: number, phase: Preparing): void {
    if (!isQuorum(phase.quorum, (member) => phase.promises.has(member))) return;
    const blockers = this.#blockers(phase);
    if (blockers.length === 0) {
      const later = this.#ownedSince(phase);
      if (later !== undefined) return this.#endSuperseded(nowMs, later);
      const proposed = this.#proposedSince(phase);
      return proposed.length === 0 ? this.#accept(nowMs, phase) : this.#awaitProposals(nowMs, phase, proposed);
    }
    if (this.purpose !== "take-over") {
      const certain = blockers.find(({ member: owner }) =>
        isQuorumOfSome(phase.quorum, (member) => isValid(phase.promises.get(member), owner)),
      );
      if (certain !== undefined) return this.#askWhetherOwned(nowMs, phase, certain);
      // What those hold who refused is not known: under a higher ballot they will say.
      const isKnown = (member: number) => phase.promises.has(member) || phase.refused.has(member);
      return phase.quorum.members.every(isKnown) ? this.#collide(nowMs) : undefined;
    }
    for (const value of blockers) this.#askHandover(nowMs, phase, value);
  }

  /**
   * Every server that a majority may still hold as the owner, whatever the ballots, by its highest: of one server all
   * valid ballots count together, for while it moves to a higher one its replicas hold now this, now that.
   */
  #blockers({ quorum, promises }: Preparing): Ballot[] {
    const highest = new Map<number, Ballot>();
    for (const { accepted } of promises.values()) {
      if (accepted === undefined || this.#isRuledOut(accepted.ballot)) continue;
      const { ballot } = accepted;
      const before = highest.get(ballot.member);
      if (before === undefined || compareBallots(ballot, before) > 0) highest.set(ballot.member, ballot);
    }
    return [...highest.values()].filter(({ member: owner }) =>
      isQuorumOfSome(quorum, (member) => {
        const promise = promises.get(member);
        return promise === undefined || isValid(promise, owner);
      }),
    );
  }

  /** Handed over or denied, or our own: this boot has given it up or owns it itself, an earlier boot is dead. */
  #isRuledOut(value: Ballot): boolean {
    const upTo = this.#disowned.get(value.member);
    return value.member === this.#context.self || (upTo !== undefined && compareBallots(value, upTo) <= 0);
  }

  /**
   * The highest ballot by which another server has owned since the epoch to go on from, as far as this is remembered. One replica's
   * word is enough: what was owned a majority accepted, of which one at least has promised, and what was not is forgotten when it is
   * given up. What somebody may still own is not judged here.
   */
  #ownedSince({ promises }: Preparing): Epoch | undefined {
    let later: Epoch | undefined;
    for (const { accepted } of promises.values()) {
      if (accepted === undefined || accepted.validForMs > 0 || accepted.ballot.member === this.#context.self) continue;
      const since = later ?? this.#since;
      if (since !== undefined && compareBallots(accepted.ballot, since) > 0) later = accepted.ballot;
    }
    return later;
  }

  /** What replicas hold as valid that is above the epoch to go on from, though none can be owned by: each hides what was owned before it. */
  #proposedSince({ promises }: Preparing): Ballot[] {
    if (this.#since === undefined) return [];
    return [...promises.values()].flatMap(({ accepted }) => {
      if (accepted === undefined || accepted.validForMs === 0 || this.#isRuledOut(accepted.ballot)) return [];
      return this.#isLater(accepted.ballot) ? [accepted.ballot] : [];
    });
  }

  /** Whether it is above the epoch that the claim goes on from. */
  #isLater(ballot: Ballot): boolean {
    return this.#since !== undefined && compareBallots(ballot, this.#since) > 0;
  }

  /** preparing → backing-off: by the next round these are owned or given up, for who has forgotten one is reminded of it. */
  #awaitProposals(nowMs: number, phase: Preparing, proposed: readonly Ballot[]): void {
    for (const ballot of proposed) {
      this.#askOwner(nowMs, phase, ballot, { type: "confirm", aor: this.aor, ballot }, () => undefined);
    }
    this.#collide(nowMs);
  }

  #endSuperseded(nowMs: number, later: Epoch): void {
    this.#leaveRound();
    this.#end(nowMs, { kind: "superseded", epoch: later });
  }

  #yieldToOwner(nowMs: number, owned: Ballot): void {
    this.#leaveRound();
    this.#end(nowMs, { kind: "owned-elsewhere", epoch: owned });
  }

  #askHandover(nowMs: number, phase: Preparing, value: Ballot): void {
    const request = { type: "handover", aor: this.aor, theirs: value, mine: phase.ballot } as const;
    this.#askOwner(nowMs, phase, value, request, (atMs, message) => {
      if (message.type !== "handedOver" || !sameBallot(message.ballot, value)) return;
      this.#from = value.member;
      this.#ruleOut(atMs, value);
    });
  }

  /** What replicas hold may have been let go of while a link was down: the owner's word is final. */
  #askWhetherOwned(nowMs: number, phase: Preparing, value: Ballot): void {
    const request = { type: "confirm", aor: this.aor, ballot: value } as const;
    this.#askOwner(nowMs, phase, value, request, (atMs, message) => {
      if (message.type !== "confirmed") return;
      const { owned } = message;
      if (owned === undefined && !this.#isLater(value)) return this.#ruleOut(atMs, value);
      if (this.#phase !== phase) return;
      // It was owned, for a majority accepted it, and is let go of.
      if (owned === undefined) this.#endSuperseded(atMs, value);
      else this.#yieldToOwner(atMs, owned);
    });
  }

  /** Asks the owner of a value, once a round. */
  #askOwner(
    nowMs: number,
    phase: Preparing,
    value: Ballot,
    request: Omit<MessageOf<"handover">, "op"> | Omit<MessageOf<"confirm">, "op">,
    onAnswer: (nowMs: number, message: DirectoryMessage) => void,
  ): void {
    const name = formatBallot(value);
    if (phase.asked.has(name)) return;
    phase.asked.add(name);
    const context = this.#context;
    const op = context.openOp((atMs, _from, message) => {
      context.closeOp(op);
      onAnswer(atMs, message);
    });
    context.agenda.add(nowMs + this.#roundMs * 2, () => context.closeOp(op));
    context.send(value.member, { ...request, op });
    this.#wake(nowMs + this.#roundMs);
  }

  /** The owner will never serve this ballot again, nor one below it. */
  #ruleOut(nowMs: number, value: Ballot): void {
    const before = this.#disowned.get(value.member);
    if (before === undefined || compareBallots(value, before) > 0) this.#disowned.set(value.member, value);
    if (this.#phase.name === "preparing") this.#consider(nowMs, this.#phase);
  }

  #accept(nowMs: number, { op, ballot, quorum, promises, sessions, refused }: Preparing): void {
    this.#wake(nowMs + this.#roundMs);
    this.#phase = { name: "accepting", op, ballot, quorum, promises, sessions, refused };
    for (const [member, promise] of promises) {
      if (!sessions.has(member)) this.#sendAccept(member, op, ballot, promise);
    }
  }

  #sendAccept(member: number, op: number, ballot: Ballot, { incarnation }: Promised): void {
    const { boot } = this.#context;
    this.#context.send(member, { type: "accept", op, aor: this.aor, ballot, boot, incarnation });
  }

  /** preparing, accepting → won, once a majority accepted under live leases. */
  #accepted(nowMs: number, phase: Preparing | Accepting, from: number, session: number): void {
    phase.sessions.set(from, session);
    if (!isQuorum(phase.quorum, (member) => phase.sessions.has(member))) return;
    // What lapsed while a higher ballot was asked for is lost, and does not come back by it.
    if (this.purpose === "reclaim" && this.#ownerships.epoch(nowMs, this.aor) === undefined) {
      this.#ownerships.end(nowMs, this.aor, "expired", undefined);
      return this.cancel(nowMs);
    }
    const { op, ballot } = phase;
    if (!this.#ownerships.begin(nowMs, this.aor, ballot, phase.quorum, phase.sessions)) return;
    this.#alarm?.cancel();
    // Answers still under way count; who has not answered by then is caught up.
    const end = this.#context.agenda.add(nowMs + this.#roundMs, (atMs) => this.#close(atMs, op));
    const silent = new Set(phase.quorum.members.filter((member) => !phase.sessions.has(member)));
    this.#phase = { name: "won", op, ballot, silent, end };
    this.#onEnd(nowMs, this, { kind: "owned", epoch: ballot, from: this.#from });
  }

  #acceptedLate(nowMs: number, { op, ballot, silent, end }: Won, from: number, session: number): void {
    this.#ownerships.accepted(nowMs, this.aor, ballot, from, session);
    if (!silent.delete(from) || silent.size > 0) return;
    // Nothing of the claim is kept longer than it has to: thousands a second would grow old together.
    end.cancel();
    this.#close(nowMs, op);
  }

  #close(nowMs: number, op: number): void {
    this.#context.closeOp(op);
    this.#ownerships.catchUp(nowMs, this.aor);
  }

  #refused(nowMs: number, phase: Preparing | Accepting, from: number, message: MessageOf<"refused">): void {
    phase.refused.add(from);
    this.#lastProblem = `replica ${from} refused: ${message.reason}`;
    const canSucceed = isQuorum(phase.quorum, (member) => !phase.refused.has(member));
    // A replica that abstains or has no room is not hurried; a lost race is run again soon.
    const patient = message.reason === "abstaining" || message.reason === "full";
    if (!canSucceed) this.#collide(nowMs, patient);
    else if (phase.name === "preparing") this.#consider(nowMs, phase);
  }

  /** preparing, accepting → backing-off */
  #collide(nowMs: number, patient = false): void {
    this.#collisions++;
    this.#leaveRound();
    const atMost = Math.min(BACKOFF_MAX_MS, FIRST_BACKOFF_MS * 2 ** this.#collisions);
    this.#wake(nowMs + (patient ? PATIENT_MS : this.#context.random() * atMost));
  }

  #timeOut(nowMs: number): void {
    const phase = this.#phase;
    if (this.#isOver()) return;
    if (phase.name === "preparing" && isQuorum(phase.quorum, (member) => phase.promises.has(member))) {
      const blockers = this.#blockers(phase);
      const highest = blockers.sort(compareBallots).at(-1);
      if (highest !== undefined && this.purpose !== "take-over") return this.#yieldToOwner(nowMs, highest);
      if (highest !== undefined) return this.#outwait(nowMs, phase, highest);
    }
    if (phase.name === "preparing" || phase.name === "accepting") {
      const longestMs = this.#context.tuning.attemptMs * LONGEST_ROUND;
      this.#roundMs = Math.min(this.#roundMs * 2, longestMs);
    }
    this.prepare(nowMs);
  }

  /** The owner does not answer: its leases must run out first. */
  #outwait(nowMs: number, { promises }: Preparing, value: Ballot): void {
    let leftMs = 0;
    for (const promise of promises.values()) {
      if (isValid(promise, value.member)) leftMs = Math.max(leftMs, promise.accepted?.validForMs ?? 0);
    }
    this.#lastProblem = `server ${value.member} holds it for up to ${leftMs} ms more and does not answer`;
    this.#leaveRound();
    this.#wake(nowMs + Math.min(WAIT_MAX_MS, FIRST_WAIT_MS * 2 ** this.#waits++, Math.max(1, leftMs)));
  }

  #end(nowMs: number, result: ClaimResult): void {
    this.#alarm?.cancel();
    this.#phase = { name: "ended" };
    this.#onEnd(nowMs, this, result);
  }
}

/** Whether a replica may have accepted the ballot of a round. */
function mayHold({ name, promises, sessions, refused }: Preparing | Accepting, member: number): boolean {
  if (sessions.has(member)) return true;
  return !refused.has(member) && (name === "accepting" || !promises.has(member));
}

/** Whether a replica holds a ballot of this server as valid. */
function isValid(promise: Promised | undefined, owner: number): boolean {
  const accepted = promise?.accepted;
  return accepted !== undefined && accepted.validForMs > 0 && accepted.ballot.member === owner;
}
