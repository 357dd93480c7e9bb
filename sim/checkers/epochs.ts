import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { compareBallots, formatBallot } from "../../dht-schema/ballot.ts";
import { Violation } from "./violation.ts";

/**
 * I1: every successful claim of an AoR has a greater epoch than every earlier one.
 * With clocks within the bound *earlier* is by the instant at which a claim succeeded: no two are owners at once. With
 * wrong clocks two claims that overlap may both succeed, in either order; then *earlier* means over before the other began.
 */
export class EpochChecker {
  readonly #clocksAreWrong: boolean;
  readonly #highest = new Map<Aor, Epoch>();
  /** The process that won each epoch. */
  readonly #won = new Map<string, object>();

  constructor(clocksAreWrong: boolean) {
    this.#clocksAreWrong = clocksAreWrong;
  }

  /** The highest epoch that has been won: keep it from the beginning of a claim until {@link claimed}. */
  highest(aor: Aor): Epoch | undefined {
    return this.#highest.get(aor);
  }

  /**
   * A claim succeeded. One that finds the AoR owned already is told the epoch it has, which counts once.
   * @param life the process that won it, or the tenure: no other one wins the same epoch
   */
  claimed(nowMs: number, life: object, aor: Aor, epoch: Epoch, highestAtStart: Epoch | undefined): void {
    const name = `${aor} ${formatBallot(epoch)}`;
    const winner = this.#won.get(name);
    if (winner === life) return;
    this.#won.set(name, life);
    const highest = this.#highest.get(aor);
    if (highest === undefined || compareBallots(epoch, highest) > 0) this.#highest.set(aor, epoch);
    const earlier = this.#clocksAreWrong ? highestAtStart : highest;
    if (winner === undefined && (earlier === undefined || compareBallots(epoch, earlier) > 0)) return;
    throw new Violation(
      "I1",
      nowMs,
      `${aor} claimed with ${formatBallot(epoch)} after ${formatBallot(earlier ?? epoch)}`,
      aor,
    );
  }
}
