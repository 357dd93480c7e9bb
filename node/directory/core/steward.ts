import type { Roster } from "../../../dht-schema/roster.ts";
import { replicaGroupSize } from "../../../dht-schema/replica-group.ts";
import { isJoint } from "../../../dht-schema/roster.ts";
import type { Context } from "./context.ts";
import { majorityOf } from "./quorum.ts";

/** What a server last said of the roster it holds. */
interface Report {
  readonly version: number;
  readonly settled: boolean;
  /** Since when it is known to hold `version`, on our clock. */
  readonly sinceMs: number;
  readonly atMs: number;
}

/**
 * Drives the roster from one stable version to the next: servers that joined become voters, by a joint version.
 * It runs where the domain's key is, keeps nothing durable, and may stop at any moment: whoever looks next goes on from the roster in force.
 */
export function startSteward(context: Context, nowMs: number): void {
  const reports = new Map<number, Report>();
  let joined = { servers: 0, atMs: nowMs };

  const ask = (atMs: number, member: number) => {
    const op = context.openOp((answeredMs, from, message) => {
      context.closeOp(op);
      if (message.type !== "settled" || from !== member) return;
      const { version, settled } = message;
      const before = reports.get(member);
      const sinceMs = before?.version === version ? before.sinceMs : answeredMs;
      reports.set(member, { version, settled, sinceMs, atMs: answeredMs });
    });
    context.agenda.add(atMs + context.tuning.stewardMs * 4, () => context.closeOp(op));
    context.send(member, { type: "settle", op });
  };

  const look = (atMs: number) => {
    const roster = context.roster();
    if (joined.servers !== roster.servers.length) joined = { servers: roster.servers.length, atMs };
    const patientMs = context.tuning.stewardMs * 4;
    const isUp = (member: number) => atMs - (reports.get(member)?.atMs ?? -Infinity) <= patientMs;
    const next = isJoint(roster)
      ? leaveJoint(roster, reports, atMs, isUp)
      : atMs - joined.atMs >= context.tuning.promoteAfterMs
        ? enterJoint(roster, context.tuning.votersTarget, isUp)
        : undefined;
    if (next !== undefined) context.emit({ kind: "publish-roster", roster: next });
    if (isJoint(roster) || roster.voters.length < Math.min(context.tuning.votersTarget, roster.servers.length)) {
      for (const { number } of roster.servers) ask(atMs, number);
    }
    context.agenda.add(atMs + context.tuning.stewardMs, look);
  };
  context.agenda.add(nowMs + context.tuning.stewardMs, look);
}

/** stable → joint: servers that are up and no voters yet become voters, up to the target. */
export function enterJoint(
  roster: Roster,
  votersTarget: number,
  isUp: (member: number) => boolean,
): Roster | undefined {
  const room = votersTarget - roster.voters.length;
  const isVoter = new Set(roster.voters);
  const promoted = roster.servers
    .filter(({ number }) => !isVoter.has(number) && isUp(number))
    .slice(0, Math.max(0, room));
  if (promoted.length === 0) return undefined;
  const voters = [...roster.voters, ...promoted.map(({ number }) => number)].sort((a, b) => a - b);
  return { ...roster, version: roster.version + 1, voters, oldVoters: roster.voters };
}

/**
 * joint → stable: when no server can still own by the old voters alone, and a majority of the new is up.
 * Either every server says that nothing of its own counts under an earlier version; or all but a minority of the old voters
 * have held the joint version for T·(1 + 4ρ), so that no lease that they granted to a server unaware of it is left (rule ●).
 */
export function leaveJoint(
  roster: Roster,
  reports: ReadonlyMap<number, Report>,
  nowMs: number,
  isUp: (member: number) => boolean,
): Roster | undefined {
  const holds = (member: number) => (reports.get(member)?.version ?? 0) >= roster.version;
  const isSettled = ({ number }: { number: number }) => holds(number) && reports.get(number)?.settled === true;
  const termMs = roster.leaseMs * (1 + (4 * roster.driftPpm) / 1e6);
  const late = roster.oldVoters.filter(
    (member) => !holds(member) || nowMs - (reports.get(member) as Report).sinceMs < termMs,
  );
  const lateAllowed = (replicaGroupSize(roster.oldVoters.length) - 1) / 2;
  if (!roster.servers.every(isSettled) && late.length > lateAllowed) return undefined;
  const newUp = roster.voters.filter((member) => isUp(member) && holds(member)).length;
  if (newUp < majorityOf(roster.voters.length)) return undefined;
  return { ...roster, version: roster.version + 1, oldVoters: [] };
}
