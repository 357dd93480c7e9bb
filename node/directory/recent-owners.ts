import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";

/**
 * Owners that lookups have found a moment ago, for requests whose receiver has the last word anyway: who is wrong about an owner
 * is told so, and looks again. So what several messages to one user need is found once.
 */
export class RecentOwners {
  readonly #max: number;
  readonly #keepMs: number;
  readonly #found = new Map<Aor, { readonly epoch: Epoch; readonly atMs: number }>();

  /** @param max users remembered; beyond, the one found longest ago is forgotten */
  constructor(max: number, keepMs: number) {
    this.#max = max;
    this.#keepMs = keepMs;
  }

  found(nowMs: number, aor: Aor, epoch: Epoch): void {
    this.#found.delete(aor);
    this.#found.set(aor, { epoch, atMs: nowMs });
    if (this.#found.size > this.#max) this.#found.delete(this.#found.keys().next().value as Aor);
  }

  /** The epoch that was found last, if that is not too long ago. */
  get(nowMs: number, aor: Aor): Epoch | undefined {
    const known = this.#found.get(aor);
    if (known === undefined || nowMs - known.atMs < this.#keepMs) return known?.epoch;
    this.#found.delete(aor);
    return undefined;
  }
}
