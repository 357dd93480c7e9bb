import type { Aor } from "../../dht-schema/aor.ts";
import type { ClaimEnd, Purpose, WayServer } from "./way.ts";

/** What one run of one way showed. Times are true times in ms. */
export interface Figures {
  /** Claims that ended with another owner than before. */
  moves: number;
  /** Instants at which a second server began to serve a user, and how long it lasted. */
  races: number;
  longestRaceMs: number;
  /** How long all users together were served twice. */
  racedMs: number;
  /** Moves that a watcher, connected to the owner all the time, had not heard of after a second; and after 25 s, if the user was still there. */
  noticesDue: number;
  noticesLate: number;
  noticesDueLong: number;
  noticesLost: number;
  claims: Record<ClaimEnd, number>;
  longestOutageMs: number;
  /** Of the samples of users whose server is up: those not served. */
  samples: number;
  unserved: number;
  lookups: number;
  lookupsFailed: number;
  messages: Record<Purpose, number>;
  claimMs: number[];
  lookupMs: number[];
}

/** No figures yet. */
export function noFigures(): Figures {
  return {
    moves: 0,
    races: 0,
    longestRaceMs: 0,
    racedMs: 0,
    noticesDue: 0,
    noticesLate: 0,
    noticesDueLong: 0,
    noticesLost: 0,
    claims: { owned: 0, elsewhere: 0, unavailable: 0 },
    longestOutageMs: 0,
    samples: 0,
    unserved: 0,
    lookups: 0,
    lookupsFailed: 0,
    messages: { claim: 0, lookup: 0, notice: 0, upkeep: 0 },
    claimMs: [],
    lookupMs: [],
  };
}

/** Finds when two servers believe in the same user, on true time. A belief begins with a claim that succeeded; it ends whenever it does. */
export class RaceWatch {
  readonly #figures: Figures;
  readonly #believers = new Map<Aor, Set<WayServer>>();
  readonly #races = new Map<Aor, number>();

  constructor(figures: Figures) {
    this.#figures = figures;
  }

  claimed(nowMs: number, aor: Aor, server: WayServer): void {
    let believers = this.#believers.get(aor);
    if (believers === undefined) this.#believers.set(aor, (believers = new Set()));
    believers.add(server);
    this.#count(nowMs, aor, believers);
  }

  /** Called after every step: ends the races that have ended. */
  look(nowMs: number): void {
    for (const aor of this.#races.keys()) this.#count(nowMs, aor, this.#believers.get(aor) as Set<WayServer>);
  }

  /** Counts the races that last still. */
  finish(nowMs: number): void {
    for (const aor of this.#races.keys()) this.#count(nowMs, aor, new Set());
  }

  isServed(nowMs: number, aor: Aor): boolean {
    for (const server of this.#believers.get(aor) ?? []) if (server.serves(nowMs, aor)) return true;
    return false;
  }

  #count(nowMs: number, aor: Aor, believers: Set<WayServer>): void {
    for (const server of believers) if (!server.serves(nowMs, aor)) believers.delete(server);
    const sinceMs = this.#races.get(aor);
    if (believers.size > 1 && sinceMs === undefined) {
      this.#races.set(aor, nowMs);
      this.#figures.races++;
    } else if (believers.size <= 1 && sinceMs !== undefined) {
      this.#races.delete(aor);
      this.#figures.racedMs += nowMs - sinceMs;
      this.#figures.longestRaceMs = Math.max(this.#figures.longestRaceMs, nowMs - sinceMs);
    }
  }
}

/** The value below which a share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** Adds the figures of a run to those of others. */
export function addFigures(total: Figures, run: Figures): void {
  for (const name of [
    "moves",
    "races",
    "racedMs",
    "noticesDue",
    "noticesLate",
    "noticesDueLong",
    "noticesLost",
    "samples",
    "unserved",
    "lookups",
    "lookupsFailed",
  ] as const) {
    total[name] += run[name];
  }
  for (const name of ["longestRaceMs", "longestOutageMs"] as const) total[name] = Math.max(total[name], run[name]);
  for (const end of ["owned", "elsewhere", "unavailable"] as const) total.claims[end] += run.claims[end];
  for (const purpose of ["claim", "lookup", "notice", "upkeep"] as const)
    total.messages[purpose] += run.messages[purpose];
  total.claimMs = [...total.claimMs, ...run.claimMs];
  total.lookupMs = [...total.lookupMs, ...run.lookupMs];
}
