import { replicaGroupSize } from "../../../dht-schema/replica-group.ts";
import type { Roster } from "../../../dht-schema/roster.ts";
import { isJoint } from "../../../dht-schema/roster.ts";
import type { Context } from "./context.ts";
import { graceMs } from "./grace.ts";
import { majorityOf } from "./quorum.ts";

/** What a server last said of itself to the steward. */
export interface Report {
  /** Roster version that it holds. */
  readonly version: number;
  /** Nothing of its own counts under an earlier version. */
  readonly settled: boolean;
  /** Users that it owns. */
  readonly owned: number;
  /** Since when it is known to hold `version`, on our clock. */
  readonly sinceMs: number;
  readonly atMs: number;
}

/** What the steward knows of the servers at one instant. */
export interface Sight {
  readonly nowMs: number;
  readonly reports: ReadonlyMap<number, Report>;
  /** Whether it answered just now. */
  isUp(member: number): boolean;
  /** For how long it has been asked in vain, ms. */
  silentForMs(member: number): number;
  /** Whether a server may still own that is in the roster no longer: it may have claimed after it said that it owns nobody, or was not heard. */
  readonly mayOweDropped: boolean;
}

/**
 * Drives the roster from one stable version to the next: servers that joined become voters, servers that are leaving stop
 * being voters, by a joint version each time; servers that have left are dropped. It runs at every server that holds the domain's
 * key and does something only while the roster names that server as its steward. It keeps nothing durable, and may stop at any
 * moment: all that is wanted stands in the roster, and it, or the next steward, goes on from there.
 * @returns what the servers last said, while it asks them
 */
export function startSteward(context: Context, nowMs: number): ReadonlyMap<number, Report> {
  const { stewardMs, promoteAfterMs, votersTarget } = context.tuning;
  const patienceMs = stewardMs * 4;
  const reports = new Map<number, Report>();
  let joined = { lastNumber: 0, atMs: nowMs };
  let askingSinceMs: number | undefined;
  const dropped = new DroppedServers();

  const ask = (atMs: number, member: number) => {
    const op = context.openOp((answeredMs, from, message) => {
      context.closeOp(op);
      if (message.type !== "settled" || from !== member) return;
      const { version, settled, owned } = message;
      const before = reports.get(member);
      const sinceMs = before?.version === version ? before.sinceMs : answeredMs;
      reports.set(member, { version, settled, owned, sinceMs, atMs: answeredMs });
    });
    context.agenda.add(atMs + patienceMs, () => context.closeOp(op));
    context.send(member, { type: "settle", op });
  };

  const look = (atMs: number) => {
    context.agenda.add(atMs + stewardMs, look);
    const roster = context.roster();
    if (roster.steward !== context.self) {
      reports.clear();
      askingSinceMs = undefined;
      dropped.forget();
      return;
    }
    askingSinceMs = isAtWork(roster, votersTarget) ? (askingSinceMs ?? atMs) : undefined;
    if (askingSinceMs === undefined) reports.clear();
    const sinceMs = askingSinceMs ?? atMs;
    const sight: Sight = {
      nowMs: atMs,
      reports,
      isUp: (member) => atMs - (reports.get(member)?.atMs ?? -Infinity) <= patienceMs,
      silentForMs: (member) => atMs - Math.max(reports.get(member)?.atMs ?? 0, sinceMs),
      mayOweDropped: dropped.mayOwn(roster),
    };
    if (joined.lastNumber !== roster.lastNumber) joined = { lastNumber: roster.lastNumber, atMs };
    const target = atMs - joined.atMs >= promoteAfterMs ? votersTarget : 0;
    const next = isJoint(roster)
      ? (amendJoint(roster, sight) ?? leaveJoint(roster, sight))
      : (dropLeft(roster, sight) ?? enterJoint(roster, target, sight));
    if (next !== undefined) context.emit({ kind: "publish-roster", roster: next });
    if (askingSinceMs !== undefined) for (const { number } of roster.servers) ask(atMs, number);
  };
  context.agenda.add(nowMs + stewardMs, look);
  return reports;
}

/**
 * Whether one of the servers that were dropped may still own: nobody asks them whether they are settled, so the leases have to
 * run out that the old voters gave them, before a version is left.
 */
class DroppedServers {
  #before: Roster | undefined;
  #mayOwn = false;

  mayOwn(roster: Roster): boolean {
    const before = this.#before;
    if (before === roster) return this.#mayOwn;
    this.#before = roster;
    const isIn = new Set(roster.servers.map(({ number }) => number));
    // Numbers are given in order: where some are missing, they were dropped at an unknown time.
    if (before === undefined) this.#mayOwn = isIn.size < roster.lastNumber;
    // It was left with the leases run out, if it had to be.
    else if (isJoint(before) && !isJoint(roster)) this.#mayOwn = false;
    if (before?.servers.some(({ number }) => !isIn.has(number)) === true) this.#mayOwn = true;
    return this.#mayOwn;
  }

  forget(): void {
    this.#before = undefined;
  }
}

/** Whether the roster is on its way to another: only then the servers are asked. */
function isAtWork(roster: Roster, votersTarget: number): boolean {
  if (isJoint(roster) || roster.leaving.length > 0) return true;
  return roster.voters.length < Math.min(votersTarget, roster.servers.length);
}

/**
 * stable → joint: who is leaving votes no longer; who is up and votes not yet does, up to the target. Some voter always stays.
 * It is not entered before it could be left again as things stand: in a joint version two majorities are needed for every claim.
 */
export function enterJoint(roster: Roster, votersTarget: number, sight: Sight): Roster | undefined {
  const leaving = new Set(roster.leaving);
  const isVoter = new Set(roster.voters);
  const staying = roster.voters.filter((number) => !leaving.has(number));
  const candidates = roster.servers
    .map(({ number }) => number)
    .filter((number) => !isVoter.has(number) && !leaving.has(number));
  const promoted = candidates
    .filter((number) => sight.isUp(number))
    .slice(0, Math.max(0, votersTarget - staying.length));
  const voters = [...staying, ...promoted].sort((a, b) => a - b);
  if (voters.length === 0 || (promoted.length === 0 && staying.length === roster.voters.length)) return undefined;
  const next = { ...roster, version: roster.version + 1, voters, oldVoters: roster.voters };
  const silent = next.oldVoters.filter((number) => !sight.isUp(number) && !roster.gone.includes(number));
  return silent.length <= lateAllowed(next) && isMajorityUp(voters, sight.isUp) ? next : undefined;
}

/**
 * joint → joint: new voters of whom an operator says meanwhile that they are switched off for good are none. The old voters stay
 * the same, so every owner goes on needing a majority of them.
 */
export function amendJoint(roster: Roster, sight: Sight): Roster | undefined {
  const isThere = (number: number) => !roster.gone.includes(number);
  const voters = roster.voters.filter(isThere);
  if (voters.length === 0 || voters.length === roster.voters.length) return undefined;
  // So that no steward gets two versions ahead of all whom a successor could ask.
  const old = roster.oldVoters.filter(isThere);
  const holders = old.filter((number) => (sight.reports.get(number)?.version ?? 0) >= roster.version);
  if (holders.length * 2 <= old.length) return undefined;
  return { ...roster, version: roster.version + 1, voters };
}

/**
 * joint → stable: when no server can still own by the old voters alone, and a majority of the new is up.
 * Either every server says that nothing of its own counts under an earlier version, and there are no others; or all but a minority of the old voters
 * have held the joint version for T·(1 + 4ρ), so that no lease that they granted to a server unaware of it is left (rule ●).
 * Those who are switched off for good say nothing and grant nothing: once they have been silent as long, they do not count.
 */
export function leaveJoint(roster: Roster, sight: Sight): Roster | undefined {
  const { nowMs, reports } = sight;
  const isGone = (number: number) => roster.gone.includes(number) && sight.silentForMs(number) > graceMs(roster);
  const holds = (member: number) => (reports.get(member)?.version ?? 0) >= roster.version;
  const isSettled = ({ number }: { number: number }) =>
    isGone(number) || (holds(number) && reports.get(number)?.settled === true);
  const isLate = (member: number) =>
    !holds(member) || nowMs - (reports.get(member) as Report).sinceMs < graceMs(roster);
  const late = roster.oldVoters.filter((member) => !isGone(member) && isLate(member));
  const areAllSettled = !sight.mayOweDropped && roster.servers.every(isSettled);
  if (!areAllSettled && late.length > lateAllowed(roster)) return undefined;
  if (!isMajorityUp(roster.voters, (member) => sight.isUp(member) && holds(member))) return undefined;
  return { ...roster, version: roster.version + 1, oldVoters: [] };
}

/** ⌊(n−1)/2⌋: so many of a group of old voters are no majority of it. */
function lateAllowed({ oldVoters }: Roster): number {
  return (replicaGroupSize(oldVoters.length) - 1) / 2;
}

function isMajorityUp(voters: readonly number[], isUp: (member: number) => boolean): boolean {
  return voters.filter(isUp).length >= majorityOf(voters.length);
}

/** Takes out of the roster who is leaving, votes no longer, and owns nobody: by its own word, or because it has been silent for longer than a lease. */
export function dropLeft(roster: Roster, sight: Sight): Roster | undefined {
  const hasLeft = (number: number) => {
    if (roster.voters.includes(number)) return false;
    const report = sight.reports.get(number);
    if (report !== undefined && sight.isUp(number)) return report.version >= roster.version && report.owned === 0;
    return sight.silentForMs(number) > graceMs(roster);
  };
  const left = new Set(roster.leaving.filter(hasLeft));
  if (left.size === 0) return undefined;
  return {
    ...roster,
    revision: roster.revision + 1,
    servers: roster.servers.filter(({ number }) => !left.has(number)),
    leaving: roster.leaving.filter((number) => !left.has(number)),
    gone: roster.gone.filter((number) => !left.has(number)),
  };
}
