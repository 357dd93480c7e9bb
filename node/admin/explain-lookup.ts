import type { Aor } from "../../dht-schema/aor.ts";
import type { Ballot } from "../../dht-schema/ballot.ts";
import { compareBallots, formatBallot, sameBallot } from "../../dht-schema/ballot.ts";
import { kadIdOfAor } from "../../dht-schema/record-key.ts";
import { replicaGroup } from "../../dht-schema/replica-group.ts";
import type { Roster } from "../../dht-schema/roster.ts";
import { kadMembers } from "../../dht-schema/roster.ts";
import { formatDuration } from "../config/values.ts";
import type { LookupView, ReplicaView, ServerRef } from "./node-view.ts";

/** What one replica answered when it was asked for all that it knows of a user. */
export interface ReplicaAnswer {
  /** Number of the replica in the roster. */
  readonly member: number;
  readonly answer: "state" | "abstaining" | "silent";
  /** Highest ballot promised. */
  readonly promised?: Ballot;
  /** Accepted last, and for how long the owner's session lives on; 0 when that session is over. */
  readonly accepted?: { readonly ballot: Ballot; readonly validForMs: number };
}

/** Finds what a majority says in the answers of all replicas of a user, and for each replica, whether it agrees and if not, why. */
export function explainLookup(aor: Aor, roster: Roster, answers: readonly ReplicaAnswer[]): LookupView {
  const groups = groupsOf(aor, roster);
  const byMember = new Map(answers.map((answer) => [answer.member, answer]));
  const isMajority = (says: (answer: ReplicaAnswer | undefined) => boolean) =>
    groups.every((group) => group.filter((member) => says(byMember.get(member))).length > group.length / 2);

  const owned = valid(answers).find((ballot) => isMajority((answer) => saysOwned(answer, ballot)));
  if (owned !== undefined) {
    return {
      aor,
      state: "owned",
      owner: serverOf(roster, owned.member),
      epoch: formatBallot(owned),
      leaseLeftMs: Math.min(...groups.map((group) => majorityLeaseMs(group, byMember, owned))),
      replicas: answers.map((answer) => explain(roster, answer, owned)),
    };
  }
  const state = isMajority((answer) => answer?.answer === "state" && !isValid(answer)) ? "nobody" : "unclear";
  return { aor, state, replicas: answers.map((answer) => explain(roster, answer, undefined)) };
}

/** How a server is named; one that is no longer in the roster keeps its number. */
export function serverOf(roster: Roster, number: number): ServerRef {
  const server = roster.servers.find((one) => one.number === number);
  return server === undefined
    ? { number, id: "" as ServerRef["id"], name: `server ${number}` }
    : { number, id: server.id as ServerRef["id"], name: server.name };
}

function groupsOf(aor: Aor, roster: Roster): number[][] {
  const key = kadIdOfAor(aor);
  return [roster.voters, roster.oldVoters]
    .filter((voters) => voters.length > 0)
    .map((voters) => replicaGroup(key, kadMembers(roster, voters)));
}

function isValid(answer: ReplicaAnswer): boolean {
  return answer.answer === "state" && answer.accepted !== undefined && answer.accepted.validForMs > 0;
}

/** Ballots that some replica holds valid, the highest first. */
function valid(answers: readonly ReplicaAnswer[]): Ballot[] {
  const ballots = answers.filter(isValid).map((answer) => (answer.accepted as { ballot: Ballot }).ballot);
  return ballots.sort((a, b) => compareBallots(b, a));
}

function saysOwned(answer: ReplicaAnswer | undefined, ballot: Ballot): boolean {
  return answer?.accepted !== undefined && isValid(answer) && sameBallot(answer.accepted.ballot, ballot);
}

/** The majority-th longest validity of a ballot in a group. */
function majorityLeaseMs(
  group: readonly number[],
  byMember: ReadonlyMap<number, ReplicaAnswer>,
  ballot: Ballot,
): number {
  const left = group
    .map((member) => byMember.get(member))
    .map((answer) => (saysOwned(answer, ballot) ? (answer?.accepted?.validForMs ?? 0) : 0))
    .sort((a, b) => b - a);
  return left[Math.floor(group.length / 2)] ?? 0;
}

function explain(roster: Roster, answer: ReplicaAnswer, owned: Ballot | undefined): ReplicaView {
  const server = serverOf(roster, answer.member);
  if (answer.answer === "silent") return { server, verdict: "silent", why: "did not answer in time" };
  const { accepted } = answer;
  const facts = accepted && {
    epoch: formatBallot(accepted.ballot),
    owner: serverOf(roster, accepted.ballot.member),
    validForMs: accepted.validForMs,
  };
  if (answer.answer === "abstaining") {
    const why = "has restarted, and keeps still until every lease it may have given has run out";
    return { server, verdict: "abstains", ...facts, why };
  }
  const why = owned === undefined ? whyNotNobody(roster, answer) : whyNot(roster, answer, owned);
  return { server, verdict: why === undefined ? "agrees" : "disagrees", ...facts, ...(why !== undefined && { why }) };
}

function whyNotNobody(roster: Roster, { accepted }: ReplicaAnswer): string | undefined {
  if (accepted === undefined || accepted.validForMs <= 0) return undefined;
  const { ballot, validForMs } = accepted;
  return `holds that ${serverOf(roster, ballot.member).name} owns the user, for another ${formatDuration(validForMs)}, but no majority does`;
}

function whyNot(roster: Roster, { accepted, promised }: ReplicaAnswer, owned: Ballot): string | undefined {
  if (accepted === undefined) {
    if (promised !== undefined && compareBallots(promised, owned) > 0) return promisedHigher(roster, promised);
    return "knows no owner: it missed the claim, and the owner has not told it yet";
  }
  const order = compareBallots(accepted.ballot, owned);
  if (order > 0)
    return `has accepted a later claim, by ${serverOf(roster, accepted.ballot.member).name}, that no majority has`;
  if (order === 0) return accepted.validForMs > 0 ? undefined : "accepted it, but the owner's lease here has run out";
  if (promised !== undefined && compareBallots(promised, owned) > 0) return promisedHigher(roster, promised);
  return "still has an earlier epoch: it missed the last claim, and the owner has not told it yet";
}

function promisedHigher(roster: Roster, promised: Ballot): string {
  // After a restart a replica promises itself to no server, above every ballot it may have promised before.
  if (!roster.servers.some((server) => server.number === promised.member)) {
    return "has restarted since the claim, and the owner has not told it yet";
  }
  return `has promised itself to a later claim, ${formatBallot(promised)} by ${serverOf(roster, promised.member).name}`;
}
