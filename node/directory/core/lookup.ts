import type { Aor } from "../../../dht-schema/aor.ts";
import type { Ballot } from "../../../dht-schema/ballot.ts";
import { compareBallots, sameBallot } from "../../../dht-schema/ballot.ts";
import type { MessageOf } from "../../../dht-schema/directory-messages.ts";
import type { Context, LookupResult, ReplicaAnswer } from "./context.ts";
import type { Quorum } from "./quorum.ts";
import { isQuorum, isQuorumOfSome } from "./quorum.ts";

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

/** Whether a majority answered and what they and the silent hold cannot add up to an owner. */
export function isNobody(quorum: Quorum, reports: Reports): boolean {
  if (!isQuorum(quorum, (member) => reports.has(member))) return false;
  for (const ballot of reports.values()) {
    if (ballot === undefined) continue;
    // All ballots of one server count together, as in a claim.
    const mayBeOwned = isQuorumOfSome(
      quorum,
      (member) => !reports.has(member) || reports.get(member)?.member === ballot.member,
    );
    if (mayBeOwned) return false;
  }
  return true;
}

/**
 * - `first`: the first replica that knows an owner, or that knows of none, decides
 * - `majority`: "nobody" needs a majority
 */
export type LookupMode = "first" | "majority";

/** One read of an AoR's replicas, repeated until it can be answered or `deadlineMs` passes. */
export function startLookup(
  context: Context,
  nowMs: number,
  aor: Aor,
  options: { readonly mode: LookupMode; readonly deadlineMs: number },
  onEnd: (nowMs: number, result: LookupResult) => void,
): void {
  const quorum = context.quorumOf(aor);
  const reports = new Map<number, Ballot | undefined>();
  const finish = (atMs: number, result: LookupResult) => {
    context.closeOp(op);
    alarm.cancel();
    onEnd(atMs, result);
  };
  const op = context.openOp((atMs, from, message) => {
    if (message.type !== "state" || message.abstaining) return;
    const { accepted } = message;
    reports.set(from, accepted !== undefined && accepted.validForMs > 0 ? accepted.ballot : undefined);
    if (accepted !== undefined) context.sawBallot(accepted.ballot);
    const quick = options.mode === "first" || isQuorum(quorum, (member) => reports.has(member));
    const highest = highestValid(reports);
    if (isNobody(quorum, reports)) finish(atMs, { kind: "nobody" });
    else if (highest !== undefined && quick) finish(atMs, { kind: "owner", epoch: highest });
    else if (options.mode === "first") finish(atMs, { kind: "nobody" });
  });
  const alarm = context.agenda.add(Math.min(nowMs + context.tuning.attemptMs, options.deadlineMs), (atMs) => {
    context.closeOp(op);
    if (atMs < options.deadlineMs) return startLookup(context, atMs, aor, options, onEnd);
    onEnd(atMs, { kind: "unavailable", reason: `${reports.size} of ${quorum.members.length} replicas answered` });
  });
  for (const member of quorum.members) context.send(member, { type: "read", op, aor });
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
  const alarm = context.agenda.add(nowMs + context.tuning.attemptMs * 2, finish);
  for (const member of members) context.send(member, { type: "read", op, aor });
}

function describe(member: number, state: MessageOf<"state"> | undefined): ReplicaAnswer {
  if (state === undefined) return { member, answer: "silent" };
  const { promised, accepted } = state;
  const answer = state.abstaining ? "abstaining" : "state";
  return accepted === undefined ? { member, answer, promised } : { member, answer, promised, accepted };
}
