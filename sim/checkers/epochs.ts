import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { compareBallots, formatBallot, sameBallot } from "../../dht-schema/ballot.ts";
import { Violation } from "./violation.ts";

/**
 * I1: every successful claim of an AoR has a greater epoch than every earlier one.
 * With clocks within the bound *earlier* is by the instant at which a claim succeeded: no two are owners at once. With
 * wrong clocks two claims that overlap may both succeed, in either order; then *earlier* means over before the other began.
 */
export class EpochChecker {
  readonly #clocks: "bounded" | "wrong";
  readonly #highest = new Map<Aor, Epoch>();

  constructor(clocks: "bounded" | "wrong") {
    this.#clocks = clocks;
  }

  /** The highest epoch that has been won: keep it from the beginning of a claim until {@link claimed}. */
  highest(aor: Aor): Epoch | undefined {
    return this.#highest.get(aor);
  }

  /** A claim succeeded. One that finds the AoR owned already is told the epoch it has, which counts once. */
  claimed(nowMs: number, aor: Aor, epoch: Epoch, highestAtStart: Epoch | undefined): void {
    const highest = this.#highest.get(aor);
    if (highest === undefined || compareBallots(epoch, highest) > 0) this.#highest.set(aor, epoch);
    const earlier = this.#clocks === "bounded" ? highest : highestAtStart;
    if (earlier === undefined || sameBallot(earlier, epoch) || compareBallots(epoch, earlier) > 0) return;
    throw new Violation("I1", nowMs, `${aor} claimed with ${formatBallot(epoch)} after ${formatBallot(earlier)}`, aor);
  }
}
