import type { Aor } from "../../../dht-schema/aor.ts";
import type { Ballot } from "../../../dht-schema/ballot.ts";
import { compareBallots, sameBallot } from "../../../dht-schema/ballot.ts";
import type { MessageOf } from "../../../dht-schema/directory-messages.ts";
import type { Context, LookupResult, ReplicaAnswer } from "./context.ts";
import { LONGEST_ROUND } from "./context.ts";
import type { Quorum } from "./quorum.ts";
import { isQuorum, isQuorumOfSome } from "./quorum.ts";

type State = MessageOf<"state">;

/** What replicas reported of an AoR, by member: the value they hold as valid, or none. */
export type Reports = ReadonlyMap<number, Ballot | undefined>;

/** Highest ballot that some replica reports as valid. */
export function highestValid(reports: Reports): Ballot | undefined {
  let highest: Ballot | undefined;
  for (const ballot of reports.values()) {
    if (ballot !== undefined && (highest === undefined || compareBallots(ballot, highest) > 0)) highest = ballot;
  }
  return highest;
}

/** Whether a majority of each group reports this ballot: it was chosen. */
export function isChosen(quorum: Quorum, reports: Reports, ballot: Ballot): boolean {
  return isQuorum(quorum, (member) => {
    const reported = reports.get(member);
    return reported !== undefined && sameBallot(reported, ballot);
  });
}

/** The highest ballot that a majority of each group reports, if there is one. */
export function chosenBallot(quorum: Quorum, reports: Reports): Ballot | undefined {
  const highest = highestValid(reports);
  if (highest === undefined || isChosen(quorum, reports, highest)) return highest;
  // A replica may hold a higher one that was proposed to it alone.
  let chosen: Ballot | undefined;
  for (const ballot of reports.values()) {
    if (ballot === undefined || (chosen !== undefined && compareBallots(ballot, chosen) <= 0)) continue;
    if (isChosen(quorum, reports, ballot)) chosen = ballot;
  }
  return chosen;
}

/**
 * The servers that may own, as far as what replicas report and what the silent may hold add up to a majority: each by the
 * highest ballot of it that is reported. All ballots of one server count together, as in a claim.
 */
export function possibleOwners(quorum: Quorum, reports: Reports): Ballot[] {
  const highest = new Map<number, Ballot>();
  for (const ballot of reports.values()) {
    const before = ballot && highest.get(ballot.member);
    if (ballot !== undefined && (before === undefined || compareBallots(ballot, before) > 0))
      highest.set(ballot.member, ballot);
  }
  return [...highest.values()].filter(({ member: owner }) =>
    isQuorumOfSome(quorum, (member) => !reports.has(member) || reports.get(member)?.member === owner),
  );
}

/** Whether a majority answered and what they and the silent hold cannot add up to an owner. */
export function isNobody(quorum: Quorum, reports: Reports): boolean {
  return isQuorum(quorum, (member) => reports.has(member)) && possibleOwners(quorum, reports).length === 0;
}

/**
 * - `first`: the first replica that knows an owner, or that knows of none, decides: a hint, which the owner confirms
 * - `majority`: at some instant while it was looked up nobody owned; or none but the owner found did
 */
export type LookupMode = "first" | "majority";

/**
 * One read of an AoR's replicas, repeated until it can be answered or `deadlineMs` passes. As many are asked as can
 * answer it, and the others soon after if these have not.
 */
export function startLookup(
  context: Context,
  nowMs: number,
  aor: Aor,
  options: {
    readonly mode: LookupMode;
    readonly deadlineMs: number;
    /** How long a read waits for answers. @default `attemptMs` */
    readonly roundMs?: number;
  },
  onEnd: (nowMs: number, result: LookupResult) => void,
): void {
  const { tuning, silent } = context;
  const { mode, deadlineMs, roundMs = tuning.attemptMs } = options;
  const slower = { ...options, roundMs: Math.min(roundMs * 2, tuning.attemptMs * LONGEST_ROUND) };
  const quorum = context.quorumOf(aor);
  const { version } = context.roster();
  const states = new Map<number, State>();
  const reports = new Map<number, Ballot | undefined>();
  const asked = new Set<number>();
  const finish = (atMs: number, result: LookupResult) => {
    context.closeOp(op);
    alarm.cancel();
    onEnd(atMs, result);
  };
  /** The replicas are others now: what those of before hold may be nothing, whoever owns. */
  const isOutdated = () => context.roster().version !== version;
  const beginAnew = (atMs: number) => {
    context.closeOp(op);
    alarm.cancel();
    startLookup(context, atMs, aor, options, onEnd);
  };
  const readAgain = (atMs: number) => {
    context.closeOp(op);
    alarm.cancel();
    const untilMs = Math.min(atMs + roundMs, deadlineMs);
    startSecondRead(context, { aor, quorum, first: states, untilMs }, (endMs, owners) => {
      const [owner] = owners ?? [];
      if (owners !== undefined && owners.length <= 1 && !isOutdated()) onEnd(endMs, found(owner));
      else if (endMs < deadlineMs) startLookup(context, endMs, aor, endMs < untilMs ? options : slower, onEnd);
      else onEnd(endMs, { kind: "unavailable", reason: "what replicas say changes, or is not repeated" });
    });
  };
  const op = context.openOp((atMs, from, message) => {
    if (message.type !== "state") return;
    if (isOutdated()) return beginAnew(atMs);
    if (message.abstaining) return askOthers();
    states.set(from, message);
    reports.set(from, heldIn(message));
    if (message.accepted !== undefined) context.sawBallot(message.accepted.ballot);
    if (mode === "first") return finish(atMs, found(heldIn(message)));
    if (!isQuorum(quorum, (member) => reports.has(member))) return;
    const owners = possibleOwners(quorum, reports);
    // Some replica may hold what another server proposed to it, while most hold what is owned: they all know which.
    if (owners.length > 1) return askOthers();
    const [owner] = owners;
    if (owner !== undefined && isChosen(quorum, reports, owner)) finish(atMs, found(owner));
    else readAgain(atMs);
  });
  const ask = (member: number) => {
    asked.add(member);
    context.send(member, { type: "read", op, aor });
  };
  const askOthers = () => {
    for (const member of quorum.members) if (!asked.has(member)) ask(member);
  };
  const isEnough = () => (mode === "first" ? asked.size > 0 : isQuorum(quorum, (member) => asked.has(member)));
  for (const member of byHope(context, quorum, op)) {
    if (isEnough()) break;
    ask(member);
  }
  const atMost = (atMs: number) => Math.min(atMs, deadlineMs);
  let alarm = context.agenda.add(atMost(nowMs + tuning.hedgeMs), (hedgeMs) => {
    if (isOutdated() && hedgeMs < deadlineMs) return beginAnew(hedgeMs);
    for (const member of asked) if (member !== context.self && !reports.has(member)) silent.add(member);
    askOthers();
    alarm = context.agenda.add(atMost(Math.max(hedgeMs, nowMs + roundMs)), (atMs) => {
      context.closeOp(op);
      if (atMs < deadlineMs) return startLookup(context, atMs, aor, slower, onEnd);
      const doubt = possibleOwners(quorum, reports).length > 1 ? ", and differ" : "";
      onEnd(atMs, {
        kind: "unavailable",
        reason: `${reports.size} of ${quorum.members.length} replicas answered${doubt}`,
      });
    });
  });
}

/**
 * Asks replicas together once more. They were asked one after the other, and an owner may have moved meanwhile from replicas
 * that were asked later to some that were asked before. Where enough say the same again, they all held it in the instant
 * between: `owners` are those that may have owned then. Else there is none.
 */
function startSecondRead(
  context: Context,
  read: {
    readonly aor: Aor;
    readonly quorum: Quorum;
    readonly first: ReadonlyMap<number, State>;
    readonly untilMs: number;
  },
  onEnd: (nowMs: number, owners: readonly Ballot[] | undefined) => void,
): void {
  const { aor, quorum, first, untilMs } = read;
  const reports = new Map<number, Ballot | undefined>();
  const finish = (atMs: number, owners?: readonly Ballot[]) => {
    context.closeOp(op);
    alarm.cancel();
    onEnd(atMs, owners);
  };
  const op = context.openOp((atMs, from, message) => {
    if (message.type !== "state") return;
    const before = first.get(from);
    if (before === undefined || message.abstaining || !isSameState(before, message)) return finish(atMs);
    reports.set(from, heldIn(message));
    if (!isQuorum(quorum, (member) => reports.has(member))) return;
    const owners = possibleOwners(quorum, reports);
    // Of some alone more than one may own where all together know who may: they are waited for, or the same would be read for ever.
    if (owners.length <= 1 || reports.size === first.size) finish(atMs, owners);
  });
  const alarm = context.agenda.add(untilMs, (atMs) => finish(atMs));
  for (const member of first.keys()) context.send(member, { type: "read", op, aor });
}

function found(owner: Ballot | undefined): LookupResult {
  return owner === undefined ? { kind: "nobody" } : { kind: "owner", epoch: owner };
}

/** Promises and ballots only rise: what is the same twice was the same in between. */
function isSameState(a: State, b: State): boolean {
  const [held, heldNow] = [heldIn(a), heldIn(b)];
  if (held === undefined || heldNow === undefined) return held === heldNow && sameBallot(a.promised, b.promised);
  return sameBallot(held, heldNow) && sameBallot(a.promised, b.promised);
}

/** The ballot that a replica holds as valid. */
function heldIn({ accepted }: State): Ballot | undefined {
  return accepted !== undefined && accepted.validForMs > 0 ? accepted.ballot : undefined;
}

/** Replicas in the order in which to ask them: ourselves, for it costs nothing; then by turns; last those that left others without an answer. */
function byHope({ self, silent }: Context, { members }: Quorum, turn: number): number[] {
  const hope = (member: number) => (member === self ? 0 : silent.has(member) ? 2 : 1);
  const first = turn % members.length;
  return [...members.slice(first), ...members.slice(0, first)].sort((a, b) => hope(a) - hope(b));
}

/** Asks every replica of an AoR and reports what each said, for operators. */
export function startInspection(
  context: Context,
  nowMs: number,
  aor: Aor,
  onEnd: (nowMs: number, answers: readonly ReplicaAnswer[]) => void,
): void {
  const { members } = context.quorumOf(aor);
  const states = new Map<number, MessageOf<"state">>();
  const finish = (atMs: number) => {
    context.closeOp(op);
    alarm.cancel();
    onEnd(
      atMs,
      members.map((member) => describe(member, states.get(member))),
    );
  };
  const op = context.openOp((atMs, from, message) => {
    if (message.type !== "state") return;
    states.set(from, message);
    if (states.size === members.length) finish(atMs);
  });
  const alarm = context.agenda.add(nowMs + context.tuning.attemptMs * 4, finish);
  for (const member of members) context.send(member, { type: "read", op, aor });
}

function describe(member: number, state: MessageOf<"state"> | undefined): ReplicaAnswer {
  if (state === undefined) return { member, answer: "silent" };
  const { promised, accepted } = state;
  const answer = state.abstaining ? "abstaining" : "state";
  return accepted === undefined ? { member, answer, promised } : { member, answer, promised, accepted };
}
