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

/** What a watch was last told, and when in true time. */
export interface Told {
  readonly state: OwnerState;
  readonly atMs: number;
}

/**
 * What a watch was last told is wrong for no longer than `boundMs`: by then it is told of the owner, or that it may have
 * missed changes. It may be wrong at all: what it hears of several replicas is of several instants.
 * @param owner who owns the AoR at this instant
 */
export function checkFresh(
  nowMs: number,
  watcher: number,
  aor: Aor,
  { state, atMs }: Told,
  owner: Ownership,
  boundMs: number,
): void {
  if (state.kind === "missed" || (state.kind === "owner" && state.epoch.member === owner.server)) return;
  const wrongForMs = nowMs - Math.max(owner.sinceMs, atMs);
  if (wrongForMs <= boundMs) return;
  const says = state.kind === "nobody" ? "nobody" : formatBallot(state.epoch);
  const truth = `owned by ${formatBallot(owner.epoch)} for ${(nowMs - owner.sinceMs).toFixed(0)} ms`;
  throw new Violation(
    "I4",
    nowMs,
    `the watch of ${aor} at server ${watcher} has said ${says} for ${(nowMs - atMs).toFixed(0)} ms; it has been ${truth}`,
    aor,
  );
}
