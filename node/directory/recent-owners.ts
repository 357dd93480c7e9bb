import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { RecentMap } from "../runtime/recent-map.ts";

/**
 * Owners that lookups have found a moment ago, for requests whose receiver has the last word anyway: who is wrong about an owner
 * is told so, and looks again. So what several messages to one user need is found once.
 */
export class RecentOwners {
  readonly #keepMs: number;
  readonly #found: RecentMap<Aor, { readonly epoch: Epoch; readonly atMs: number }>;

  /** @param capacity users remembered; beyond, those found longest ago are forgotten */
  constructor(capacity: number, keepMs: number) {
    this.#found = new RecentMap(capacity);
    this.#keepMs = keepMs;
  }

  found(nowMs: number, aor: Aor, epoch: Epoch): void {
    this.#found.set(aor, { epoch, atMs: nowMs });
  }

  /** The epoch that was found last, if that is not too long ago. */
  get(nowMs: number, aor: Aor): Epoch | undefined {
    const known = this.#found.get(aor);
    if (known === undefined || nowMs - known.atMs < this.#keepMs) return known?.epoch;
    this.#found.delete(aor);
    return undefined;
  }
}
