import type { Aor } from "../../../dht-schema/aor.ts";
import type { Epoch } from "../../../dht-schema/ballot.ts";
import { compareBallots } from "../../../dht-schema/ballot.ts";
import { RecentMap } from "../../runtime/recent-map.ts";
import type { DirectoryCore } from "./directory-core.ts";

/**
 * The highest epoch of each user that this server knows of, to fence with (I3): what it owns, was asked to hand over
 * for, watches, and what other servers' messages and answers carried.
 */
export class SeenEpochs {
  readonly #core: Pick<DirectoryCore, "owned" | "forwardingNote" | "watched">;
  readonly #observed: RecentMap<Aor, Epoch>;

  /** @param capacity users whose epochs are remembered; beyond, those least recently used are forgotten */
  constructor(core: Pick<DirectoryCore, "owned" | "forwardingNote" | "watched">, capacity: number) {
    this.#core = core;
    this.#observed = new RecentMap(capacity);
  }

  newest(nowMs: number, aor: Aor): Epoch | undefined {
    const watched = this.#core.watched(nowMs, aor);
    let newest = later(this.#core.owned(nowMs, aor), this.#core.forwardingNote(aor));
    newest = later(newest, this.#observed.get(aor));
    return watched?.kind === "owner" ? later(newest, watched.epoch) : newest;
  }

  /** Learns an epoch. @returns false when a higher one is known: what carries this one is stale and must be refused */
  observe(nowMs: number, aor: Aor, epoch: Epoch): boolean {
    const newest = this.newest(nowMs, aor);
    if (newest !== undefined && compareBallots(epoch, newest) < 0) return false;
    this.#observed.set(aor, epoch);
    return true;
  }
}

function later(a: Epoch | undefined, b: Epoch | undefined): Epoch | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return compareBallots(a, b) >= 0 ? a : b;
}
