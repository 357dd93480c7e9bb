import type { Aor } from "../dht-schema/aor.ts";
import type { Epoch } from "../dht-schema/ballot.ts";
import { compareBallots, formatBallot, sameBallot } from "../dht-schema/ballot.ts";

/** A promise of the directory that a run saw broken. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly invariant: "I1" | "I2" | "I4" | "I5";
  /** True time of the run. */
  readonly atMs: number;

  constructor(invariant: Violation["invariant"], atMs: number, message: string) {
    super(message);
    this.invariant = invariant;
    this.atMs = atMs;
  }
}

/** I1: every successful claim of an AoR has a greater epoch than every earlier one. */
export class EpochChecker {
  readonly #highest = new Map<Aor, Epoch>();

  /** A claim succeeded. One that finds the AoR owned already is told the epoch it has, which counts once. */
  claimed(nowMs: number, aor: Aor, epoch: Epoch): void {
    const highest = this.#highest.get(aor);
    if (highest !== undefined && sameBallot(highest, epoch)) return;
    if (highest !== undefined && compareBallots(epoch, highest) < 0) {
      throw new Violation("I1", nowMs, `${aor} claimed with ${formatBallot(epoch)} after ${formatBallot(highest)}`);
    }
    this.#highest.set(aor, epoch);
  }
}

/** What a server believes of an AoR at an instant of true time. */
export interface Believer {
  readonly number: number;
  believes(nowMs: number, aor: Aor): Epoch | undefined;
}

/** I2: at no instant do two servers both believe that they own the same AoR. */
export function checkExclusive(nowMs: number, aor: Aor, servers: readonly Believer[]): void {
  let owner: { number: number; epoch: Epoch } | undefined;
  for (const server of servers) {
    const epoch = server.believes(nowMs, aor);
    if (epoch === undefined) continue;
    if (owner !== undefined) {
      const both = `${owner.number} by ${formatBallot(owner.epoch)} and ${server.number} by ${formatBallot(epoch)}`;
      throw new Violation("I2", nowMs, `${aor} is owned by server ${both}`);
    }
    owner = { number: server.number, epoch };
  }
}
