import { replicaGroupSize } from "../../dht-schema/replica-group.ts";
import type { Roster, RosterServer } from "../../dht-schema/roster.ts";
import { isJoint } from "../../dht-schema/roster.ts";
import { suggestion } from "../runtime/did-you-mean.ts";
import { OperationalError } from "../runtime/errors.ts";

/** Whether the server with a number is linked, or this one. */
type IsUp = (number: number) => boolean;

/** The server that an operator means: by name, number or peer id. @throws {OperationalError} `NO_SUCH_SERVER` */
export function findServer(roster: Roster, named: string): RosterServer {
  const found = roster.servers.find(
    ({ id, name, number }) => id === named || name === named || String(number) === named,
  );
  if (found !== undefined) return found;
  throw new OperationalError("NO_SUCH_SERVER", noSuchServer(roster, named));
}

/** What operators are told of a server that is not there. */
export function noSuchServer({ servers }: { readonly servers: readonly { name: string }[] }, named: string): string {
  const names = servers.map(({ name }) => name);
  return `the roster has no server ${named}, by name, number or peer id${suggestion(named, names)}`;
}

/**
 * The servers are to go. Where `gone`, an operator vouches that they are switched off for good, and nobody waits for them.
 * @returns `undefined` when they are leaving already
 * @throws {OperationalError} `IS_STEWARD`, `LAST_VOTER`, `SERVER_UP`, `TOO_FEW_VOTERS`: nothing would come of it, or harm
 */
export function takeOut(
  roster: Roster,
  numbers: readonly number[],
  { gone, isUp }: { readonly gone: boolean; readonly isUp: IsUp },
): Roster | undefined {
  const news = numbers.filter((number) => !roster.leaving.includes(number) || (gone && !roster.gone.includes(number)));
  if (news.length === 0) return undefined;
  if (news.includes(roster.steward)) {
    throw new OperationalError(
      "IS_STEWARD",
      roster.servers.length === 1
        ? `${nameOf(roster, roster.steward)} is the only server of ${roster.domain}: just stop it`
        : `${nameOf(roster, roster.steward)} makes the rosters of ${roster.domain}: hand that on first, by aorta roster steward <another server>`,
    );
  }
  const alive = gone ? news.find(isUp) : undefined;
  if (alive !== undefined) {
    throw new OperationalError(
      "SERVER_UP",
      `${nameOf(roster, alive)} is up: take it out without --force, so that it lets go of its users`,
    );
  }
  const next: Roster = {
    ...roster,
    revision: roster.revision + 1,
    leaving: ascending([...roster.leaving, ...news]),
    gone: gone ? ascending([...roster.gone, ...news]) : roster.gone,
  };
  checkMajorities(next, isUp);
  return next;
}

/**
 * The server becomes a voter now, whatever the target.
 * @throws {OperationalError} `IS_VOTER`, `IS_LEAVING`, `SERVER_DOWN`, `CHANGE_UNDER_WAY`, `TOO_FEW_VOTERS`
 */
export function promote(roster: Roster, number: number, isUp: IsUp): Roster {
  checkCandidate(roster, number, isUp);
  return changeVoters(roster, { voters: ascending([...roster.voters, number]), leaving: roster.leaving }, isUp);
}

/**
 * One voter in the place of another, which leaves, by one change.
 * @throws {OperationalError} `NOT_A_VOTER`, `IS_STEWARD`, and as {@link promote}
 */
export function replaceVoter(roster: Roster, old: number, by: number, isUp: IsUp): Roster {
  if (!roster.voters.includes(old)) {
    throw new OperationalError(
      "NOT_A_VOTER",
      `${nameOf(roster, old)} holds no replicas: aorta roster remove ${nameOf(roster, old)} is enough`,
    );
  }
  if (old === roster.steward) {
    throw new OperationalError(
      "IS_STEWARD",
      `${nameOf(roster, old)} makes the rosters of ${roster.domain}: hand that on first, by aorta roster steward <another server>`,
    );
  }
  checkCandidate(roster, by, isUp);
  const voters = ascending([...roster.voters.filter((number) => number !== old), by]);
  return changeVoters(roster, { voters, leaving: ascending([...roster.leaving, old]) }, isUp);
}

/**
 * Another server makes the rosters from the next one on. That it holds the domain's key is for the caller to know.
 * @throws {OperationalError} `IS_STEWARD`, `IS_LEAVING`, `SERVER_DOWN`
 */
export function handOn(roster: Roster, number: number, isUp: IsUp): Roster {
  const name = nameOf(roster, number);
  if (number === roster.steward)
    throw new OperationalError("IS_STEWARD", `${name} makes the rosters of ${roster.domain} already`);
  checkStays(roster, number, isUp);
  return { ...roster, revision: roster.revision + 1, steward: number };
}

function checkCandidate(roster: Roster, number: number, isUp: IsUp): void {
  if (roster.voters.includes(number))
    throw new OperationalError("IS_VOTER", `${nameOf(roster, number)} holds replicas already`);
  checkStays(roster, number, isUp);
}

function checkStays(roster: Roster, number: number, isUp: IsUp): void {
  const name = nameOf(roster, number);
  if (roster.leaving.includes(number)) throw new OperationalError("IS_LEAVING", `${name} is leaving ${roster.domain}`);
  if (!isUp(number)) throw new OperationalError("SERVER_DOWN", `there is no link to ${name}`);
}

function changeVoters(roster: Roster, change: Pick<Roster, "voters" | "leaving">, isUp: IsUp): Roster {
  if (isJoint(roster)) {
    throw new OperationalError("CHANGE_UNDER_WAY", "the voters are being changed already: try again when that is done");
  }
  const next: Roster = { ...roster, ...change, version: roster.version + 1, oldVoters: roster.voters };
  checkMajorities(next, isUp);
  return next;
}

/**
 * That users can be claimed, and the change be brought to its end, as things stand: some voter stays, or a server that can become one;
 * a majority of the voters who stay are up; no more of the present voters are silent than can be done without.
 */
function checkMajorities(next: Roster, isUp: IsUp): void {
  const isStaying = (number: number) => !next.leaving.includes(number);
  const staying = next.voters.filter(isStaying);
  if (!isJoint(next) && staying.length === next.voters.length) return;
  const heirs = next.servers.map(({ number }) => number).filter((number) => isStaying(number) && isUp(number));
  if (staying.length === 0 && heirs.length === 0) {
    throw new OperationalError(
      "LAST_VOTER",
      "no server that could hold replicas would stay: let another one join first",
    );
  }
  const silentStaying = staying.filter((number) => !isUp(number));
  if (staying.length > 0 && silentStaying.length * 2 >= staying.length) throw noMajority(next, staying, silentStaying);
  const present = isJoint(next) ? next.oldVoters : next.voters;
  const silent = present.filter((number) => !isUp(number) && !next.gone.includes(number));
  if (silent.length > (replicaGroupSize(present.length) - 1) / 2) throw noMajority(next, present, silent);
}

function noMajority(roster: Roster, voters: readonly number[], silent: readonly number[]): OperationalError {
  const names = (numbers: readonly number[]) => numbers.map((number) => nameOf(roster, number)).join(", ");
  return new OperationalError(
    "TOO_FEW_VOTERS",
    `of the servers that would hold replicas, or do (${names(voters)}), too many are silent: ${names(silent)}. ` +
      "Bring them back first; or, if they are switched off for good, take them out together by aorta roster remove --force",
  );
}

function nameOf(roster: Roster, number: number): string {
  return roster.servers.find((server) => server.number === number)?.name ?? String(number);
}

function ascending(numbers: readonly number[]): number[] {
  return [...new Set(numbers)].sort((a, b) => a - b);
}
