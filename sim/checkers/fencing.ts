import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { compareBallots, formatBallot } from "../../dht-schema/ballot.ts";
import { Violation } from "./violation.ts";

/**
 * I3: what crosses servers on behalf of an AoR carries the owner's epoch, and a receiver that has seen a higher one
 * refuses the lower; nor does a server that has seen a higher one speak by a lower itself. Whatever the clocks do.
 */
export class FencingChecker {
  /** For each process, the highest epoch of each AoR that it was shown. */
  readonly #shown = new WeakMap<object, Map<Aor, Epoch>>();

  /** A process was told of an epoch. */
  shown(life: object, aor: Aor, epoch: Epoch): void {
    let epochs = this.#shown.get(life);
    if (epochs === undefined) this.#shown.set(life, (epochs = new Map()));
    const highest = epochs.get(aor);
    if (highest === undefined || compareBallots(epoch, highest) > 0) epochs.set(aor, epoch);
  }

  /** A process sends something in the user's name, or takes what another one sent. */
  acted(nowMs: number, life: object, aor: Aor, epoch: Epoch, what: string): void {
    const highest = this.#shown.get(life)?.get(aor);
    if (highest !== undefined && compareBallots(epoch, highest) < 0) {
      const after = `having been shown ${formatBallot(highest)}`;
      throw new Violation("I3", nowMs, `${what} of ${aor} by ${formatBallot(epoch)}, ${after}`, aor);
    }
    this.shown(life, aor, epoch);
  }
}
