import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { compareBallots, formatBallot } from "../../dht-schema/ballot.ts";
import type { OwnerState } from "../../node/directory/core/context.ts";
import type { Ownership } from "../ownership-log.ts";
import { Violation } from "./violation.ts";

/** I4: a live watcher of an AoR learns of every change of owner, or is told that it may have missed some. */
export class WatchChecker {
  /** For each process, the highest owner's epoch that its watch of an AoR was told. */
  readonly #told = new WeakMap<object, Map<Aor, Epoch>>();

  /** A watch tells its server something: never what is older than what it told before. */
  told(nowMs: number, watcher: { readonly life: object; readonly number: number }, aor: Aor, state: OwnerState): void {
    if (state.kind !== "owner") return;
    let told = this.#told.get(watcher.life);
    if (told === undefined) this.#told.set(watcher.life, (told = new Map()));
    const before = told.get(aor);
    if (before !== undefined && compareBallots(state.epoch, before) < 0) {
      const both = `${formatBallot(state.epoch)} after ${formatBallot(before)}`;
      throw new Violation("I4", nowMs, `the watch of ${aor} at server ${watcher.number} was told ${both}`, aor);
    }
    told.set(aor, state.epoch);
  }

  /** The watch ended; another one begins anew. */
  unwatched(life: object, aor: Aor): void {
    this.#told.get(life)?.delete(aor);
  }
}

/**
 * What a watch answers without asking anybody: while it vouches for that, it is not older than `boundMs`.
 * @param owner who owns the AoR at this instant
 */
export function checkFresh(
  nowMs: number,
  watcher: number,
  aor: Aor,
  cached: OwnerState | undefined,
  owner: Ownership,
  boundMs: number,
): void {
  if (cached === undefined || cached.kind === "missed" || nowMs - owner.sinceMs <= boundMs) return;
  if (cached.kind === "owner" && cached.epoch.member === owner.server) return;
  const says = cached.kind === "nobody" ? "nobody" : formatBallot(cached.epoch);
  const truth = `${formatBallot(owner.epoch)} for ${(nowMs - owner.sinceMs).toFixed(0)} ms`;
  throw new Violation("I4", nowMs, `the watch of ${aor} at server ${watcher} says ${says}; it has been ${truth}`, aor);
}
