import type { Aor } from "../../../dht-schema/aor.ts";
import type { Ballot } from "../../../dht-schema/ballot.ts";
import { BALLOT_MAX, compareBallots, NO_BALLOT } from "../../../dht-schema/ballot.ts";
import type { AcceptedState, DirectoryMessage, MessageOf, Refusal } from "../../../dht-schema/directory-messages.ts";
import type { Context } from "./context.ts";
import type { Register } from "./registers.ts";
import { Registers } from "./registers.ts";
import { isShareLeft } from "../../runtime/share.ts";

/** A server's live session at this replica. */
interface Session {
  readonly id: number;
  readonly server: number;
  readonly boot: number;
  expiresMs: number;
  /** Each with the `order` of the latest request for it. */
  readonly watches: Map<Aor, number>;
  /** What was accepted under it and is not another's since: told to its watchers when the session ends, without a look at all that is watched. */
  readonly holds: Set<Aor>;
  /** Sent so far. */
  notices: number;
}

/** A ballot that was accepted before another, and may have been owned. */
interface Former {
  readonly ballot: Ballot;
  readonly boot: number;
  /** The highest of another server that was accepted before: that server itself, asking who has owned since, wants to hear of this one. */
  readonly former?: Former | undefined;
}

/** What was accepted, with the very session it was accepted under; without it, since its owner let go: kept so that it is known who owned last. */
interface Accepted extends Former {
  readonly session: Session | undefined;
}

/** Room for 2^30 sessions an incarnation, so that no session id ever comes twice. */
const SESSIONS_PER_INCARNATION = 2 ** 30;

/**
 * The acceptor: registers and sessions, in memory only. After a restart it abstains until every lease that its former
 * life granted has run out, and its floor, the durable ballot ceiling, keeps ballots from going back.
 */
export class Replica {
  readonly #context: Context;
  readonly #registers: Registers<Accepted>;
  readonly #sessions = new Map<number, Session>();
  readonly #watchers = new Map<Aor, Set<Session>>();
  #watches = 0;
  readonly #abstainsUntilMs: number;
  /** No ballot above this counter may be promised before a higher ceiling is durable. */
  #ceiling: number;
  #raisingTo = 0;
  #lastSession: number;

  constructor(
    context: Context,
    init: { readonly abstainsUntilMs: number; readonly floor: Ballot; readonly ceiling: number },
  ) {
    this.#context = context;
    this.#abstainsUntilMs = init.abstainsUntilMs;
    const { registers: max, forgetAfterBallots: keepBallots } = context.tuning;
    this.#registers = new Registers(
      { floor: init.floor, max, keepBallots },
      (nowMs, accepted) => this.#validForMs(nowMs, accepted) === 0,
    );
    this.#ceiling = init.ceiling;
    this.#lastSession = context.boot * SESSIONS_PER_INCARNATION;
    // The first ballots will be just above what was promised before: the disk need not keep them waiting.
    this.#underCeiling(init.ceiling);
  }

  receive(nowMs: number, from: number, message: DirectoryMessage): void {
    switch (message.type) {
      case "renew":
        return this.#renew(nowMs, from, message);
      case "prepare":
        return this.#prepare(nowMs, from, message);
      case "accept":
        return this.#accept(nowMs, from, message);
      case "release":
        return this.#release(nowMs, message.aor, message.ballot, from);
      case "read":
        return this.#read(nowMs, from, message);
      case "watch":
        return this.#watch(nowMs, from, message);
      case "unwatch":
        return this.#unwatch(from, message);
      default:
    }
  }

  ceilingStored(counter: number): void {
    this.#ceiling = Math.max(this.#ceiling, counter);
  }

  abstains(nowMs: number): boolean {
    return nowMs < this.#abstainsUntilMs;
  }

  stats(nowMs: number): { registers: number; sessions: number; watches: number; abstainsForMs: number } {
    const abstainsForMs = Math.max(0, this.#abstainsUntilMs - nowMs);
    return { registers: this.#registers.size, sessions: this.#sessions.size, watches: this.#watches, abstainsForMs };
  }

  /** Valid holdings, for operators. */
  *holdings(nowMs: number): Iterable<{ aor: Aor; epoch: Ballot; validForMs: number }> {
    for (const [aor, { accepted }] of this.#registers.entries()) {
      if (accepted === undefined) continue;
      const validForMs = this.#validForMs(nowMs, accepted);
      if (validForMs > 0) yield { aor, epoch: accepted.ballot, validForMs };
    }
  }

  /** What is accepted for an AoR and still valid here. */
  valid(nowMs: number, aor: Aor): Ballot | undefined {
    const accepted = this.#registers.get(aor)?.accepted;
    return accepted !== undefined && this.#validForMs(nowMs, accepted) > 0 ? accepted.ballot : undefined;
  }

  #renew(nowMs: number, from: number, { op, boot }: MessageOf<"renew">): void {
    const context = this.#context;
    if (this.abstains(nowMs)) return this.#refuse(from, op, "abstaining", NO_BALLOT);
    let session = this.#liveSession(nowMs, from);
    if (session !== undefined && session.boot > boot) return;
    if (session === undefined || session.boot !== boot) {
      if (session !== undefined) this.#end(nowMs, session);
      session = {
        id: ++this.#lastSession,
        server: from,
        boot,
        expiresMs: 0,
        watches: new Map(),
        holds: new Set(),
        notices: 0,
      };
      this.#sessions.set(from, session);
      this.#expireLater(session, nowMs + context.roster().leaseMs);
    }
    session.expiresMs = nowMs + context.roster().leaseMs;
    context.send(from, {
      type: "renewed",
      op,
      session: session.id,
      incarnation: context.boot,
      notices: session.notices,
    });
  }

  #prepare(nowMs: number, from: number, { op, aor, ballot, boot }: MessageOf<"prepare">): void {
    const context = this.#context;
    if (this.abstains(nowMs)) return this.#refuse(from, op, "abstaining", NO_BALLOT);
    const promised = this.#registers.promised(aor);
    if (compareBallots(ballot, promised) <= 0) return this.#refuse(from, op, "promised", promised);
    if (!this.#mayPromise(ballot)) return this.#refuse(from, op, "ceiling", promised);
    const register = this.#registers.promise(nowMs, aor, ballot, context.highestCounter());
    if (register === undefined) return this.#refuse(from, op, "full", promised);
    const session = this.#liveSession(nowMs, from);
    if (boot !== undefined && session?.boot === boot && !this.#isHeldByAnother(nowMs, register, from)) {
      return this.#take(nowMs, register, session, { op, aor, ballot });
    }
    context.send(from, {
      type: "promised",
      op,
      incarnation: context.boot,
      accepted: this.#state(nowMs, register.accepted && latestOfOthers(register.accepted, from)),
    });
  }

  #accept(nowMs: number, from: number, message: MessageOf<"accept">): void {
    const context = this.#context;
    const { op, aor, ballot, boot } = message;
    if (this.abstains(nowMs)) return this.#refuse(from, op, "abstaining", NO_BALLOT);
    const promised = this.#registers.promised(aor);
    if (compareBallots(ballot, promised) < 0) return this.#refuse(from, op, "promised", promised);
    if (message.incarnation !== context.boot) return this.#refuse(from, op, "incarnation", promised);
    const session = this.#liveSession(nowMs, from);
    if (session === undefined || session.boot !== boot) return this.#refuse(from, op, "no-session", promised);
    if (!this.#mayPromise(ballot)) return this.#refuse(from, op, "ceiling", promised);
    const register = this.#registers.promise(nowMs, aor, ballot, context.highestCounter());
    if (register === undefined) return this.#refuse(from, op, "full", promised);
    this.#take(nowMs, register, session, message);
  }

  #isHeldByAnother(nowMs: number, { accepted }: Register<Accepted>, server: number): boolean {
    return accepted !== undefined && accepted.ballot.member !== server && this.#validForMs(nowMs, accepted) > 0;
  }

  #take(
    nowMs: number,
    register: Register<Accepted>,
    session: Session,
    { op, aor, ballot }: { readonly op: number; readonly aor: Aor; readonly ballot: Ballot },
  ): void {
    const before = register.accepted;
    before?.session?.holds.delete(aor);
    register.accepted = { ballot, boot: session.boot, session, former: before && formerOf(before) };
    session.holds.add(aor);
    this.#context.send(session.server, { type: "accepted", op, session: session.id });
    this.#tell(nowMs, aor);
  }

  /** The register becomes free at once instead of at the end of the session. */
  #release(nowMs: number, aor: Aor, ballot: Ballot, from: number): void {
    const register = this.#registers.get(aor);
    const held = register?.accepted;
    if (register === undefined || held?.session === undefined || held.ballot.member !== from) return;
    const order = compareBallots(ballot, held.ballot);
    if (ballot.member !== from || order < 0) return;
    held.session.holds.delete(aor);
    // The very ballot is given up by who never owned it, and what was before it is the latest again; who did lets go of all that it went through, by one above.
    const latest = order === 0 ? held.former : held;
    register.accepted = latest && { ...latest, session: undefined };
    this.#tell(nowMs, aor);
  }

  #read(nowMs: number, from: number, { op, aor }: MessageOf<"read">): void {
    const register = this.#registers.get(aor);
    this.#context.send(from, {
      type: "state",
      op,
      abstaining: this.abstains(nowMs),
      promised: this.#registers.promised(aor),
      accepted: this.#state(nowMs, register?.accepted),
    });
  }

  #watch(nowMs: number, from: number, { aor, order }: MessageOf<"watch">): void {
    const context = this.#context;
    const session = this.#liveSession(nowMs, from);
    if (session === undefined) return context.send(from, { type: "notWatched", aor, reason: "no-session" });
    const latest = session.watches.get(aor);
    if (latest === undefined) {
      const { watchesPerSession, watches: max } = context.tuning;
      const used = session.watches.size;
      if (used >= watchesPerSession || !isShareLeft(used, this.#watches, max))
        return context.send(from, { type: "notWatched", aor, reason: "full" });
      this.#watches++;
    }
    session.watches.set(aor, Math.max(order, latest ?? 0));
    let watchers = this.#watchers.get(aor);
    if (watchers === undefined) this.#watchers.set(aor, (watchers = new Set()));
    watchers.add(session);
    this.#notice(nowMs, aor, session);
  }

  /** One that a later `watch` has overtaken on its way ends nothing. */
  #unwatch(from: number, { aor, order }: MessageOf<"unwatch">): void {
    const session = this.#sessions.get(from);
    if (session !== undefined && order > (session.watches.get(aor) ?? order)) this.#forget(aor, session);
  }

  #forget(aor: Aor, session: Session): void {
    if (session.watches.delete(aor)) this.#watches--;
    const watchers = this.#watchers.get(aor);
    if (watchers?.delete(session) === true && watchers.size === 0) this.#watchers.delete(aor);
  }

  /** Pushes the register's state to everyone who watches it. */
  #tell(nowMs: number, aor: Aor): void {
    const watchers = this.#watchers.get(aor);
    if (watchers === undefined) return;
    for (const session of watchers) if (session.expiresMs > nowMs) this.#notice(nowMs, aor, session);
  }

  #notice(nowMs: number, aor: Aor, session: Session): void {
    const accepted = this.#state(nowMs, this.#registers.get(aor)?.accepted);
    this.#context.send(session.server, {
      type: "notice",
      aor,
      session: session.id,
      sequence: ++session.notices,
      accepted,
    });
  }

  #liveSession(nowMs: number, server: number): Session | undefined {
    const session = this.#sessions.get(server);
    if (session === undefined || session.expiresMs > nowMs) return session;
    this.#end(nowMs, session);
    return undefined;
  }

  #expireLater(session: Session, atMs: number): void {
    this.#context.agenda.add(atMs, (nowMs) => {
      if (this.#sessions.get(session.server) !== session) return;
      if (session.expiresMs > nowMs) this.#expireLater(session, session.expiresMs);
      else this.#end(nowMs, session);
    });
  }

  /** A session that ended is deleted, never revived; watchers of what it held learn that the owner may be gone. */
  #end(nowMs: number, session: Session): void {
    this.#sessions.delete(session.server);
    session.expiresMs = Math.min(session.expiresMs, nowMs);
    for (const aor of session.watches.keys()) this.#forget(aor, session);
    for (const aor of session.holds) this.#tell(nowMs, aor);
    session.holds.clear();
  }

  #state(nowMs: number, accepted: Accepted | undefined): AcceptedState | undefined {
    if (accepted === undefined) return undefined;
    const { ballot, boot } = accepted;
    return { ballot, boot, validForMs: this.#validForMs(nowMs, accepted) };
  }

  /** Rounded up: 0 must mean that the session is over, or the ballot let go of. */
  #validForMs(nowMs: number, { session }: Accepted): number {
    return session !== undefined && session.expiresMs > nowMs ? Math.ceil(session.expiresMs - nowMs) : 0;
  }

  /** Whether a ballot could be true, and is under the durable ceiling. */
  #mayPromise(ballot: Ballot): boolean {
    return this.#context.sawBallot(ballot) && this.#underCeiling(ballot.counter);
  }

  /** Asks early for a higher ceiling, so that claims do not wait for the disk. */
  #underCeiling(counter: number): boolean {
    const step = this.#context.tuning.ceilingStep;
    const isLow = counter + step / 2 > this.#ceiling && this.#ceiling < BALLOT_MAX.counter;
    if (isLow && this.#raisingTo <= this.#ceiling) {
      this.#raisingTo = Math.min(BALLOT_MAX.counter, Math.max(this.#ceiling, counter) + step);
      this.#context.emit({ kind: "raise-ceiling", counter: this.#raisingTo });
    }
    return counter <= this.#ceiling;
  }

  #refuse(to: number, op: number, reason: Refusal, promised: Ballot): void {
    this.#context.send(to, { type: "refused", op, reason, promised });
  }
}

/** Of what has been accepted the highest, and the highest of another server: so that one is left whoever asks for others' ballots. */
function formerOf({ ballot, boot, former }: Former): Former {
  const other = former?.ballot.member === ballot.member ? former.former : former;
  return { ballot, boot, former: other && { ballot: other.ballot, boot: other.boot } };
}

/** What a claimant hears of a register that holds its own ballot: what another may have owned by before; else what it holds. */
function latestOfOthers(accepted: Accepted, claimant: number): Accepted {
  let former: Former | undefined = accepted;
  while (former?.ballot.member === claimant) former = former.former;
  return former === undefined || former === accepted ? accepted : { ...former, session: undefined };
}
