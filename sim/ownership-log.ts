import type { Aor } from "../dht-schema/aor.ts";
import type { Epoch } from "../dht-schema/ballot.ts";
import { sameBallot } from "../dht-schema/ballot.ts";

/** An ownership as the simulator sees it from outside. */
export interface Ownership {
  readonly server: number;
  readonly epoch: Epoch;
  /** Since when this server has owned the AoR, under whatever epoch. */
  readonly sinceMs: number;
}

/** What changed in who owns an AoR, and between which instants of true time it did. */
export type OwnershipChange =
  | {
      readonly kind: "raised";
      readonly server: number;
      readonly epoch: Epoch;
      readonly startMs: number;
      readonly endMs: number;
    }
  | {
      readonly kind: "ended";
      readonly server: number;
      readonly epoch: Epoch;
      readonly startMs: number;
      readonly endMs: number;
    };

/** What one server owned when it was last seen to. */
interface Held {
  epoch: Epoch;
  readonly sinceMs: number;
  seenMs: number;
}

/** Follows on true time who owns what: from what servers say of themselves and from what they believe after each step. */
export class OwnershipLog {
  readonly #onChange: (aor: Aor, change: OwnershipChange) => void;
  /** By server and AoR: what lapsed stands here until its server notices. */
  readonly #held = new Map<number, Map<Aor, Held>>();
  readonly #last = new Map<Aor, number>();

  constructor(onChange: (aor: Aor, change: OwnershipChange) => void) {
    this.#onChange = onChange;
  }

  /** The server that owned the AoR last, while that may still stand. */
  current(aor: Aor): Ownership | undefined {
    const server = this.#last.get(aor);
    const held = server === undefined ? undefined : this.#held.get(server)?.get(aor);
    return held && { server: server as number, epoch: held.epoch, sinceMs: held.sinceMs };
  }

  /** A claim succeeded. */
  won(nowMs: number, aor: Aor, server: number, epoch: Epoch): void {
    let held = this.#held.get(server);
    if (held === undefined) this.#held.set(server, (held = new Map()));
    const before = held.get(aor);
    if (before !== undefined && sameBallot(before.epoch, epoch)) return;
    held.set(aor, { epoch, sinceMs: nowMs, seenMs: nowMs });
    this.#last.set(aor, server);
  }

  /**
   * After a step the server believes to own the AoR: by what it won, or by a higher epoch that it got without a gap.
   * @returns whether by another epoch than before
   */
  believed(nowMs: number, aor: Aor, server: number, epoch: Epoch): boolean {
    const held = this.#held.get(server)?.get(aor);
    if (held === undefined) {
      this.won(nowMs, aor, server, epoch);
      return true;
    }
    held.seenMs = nowMs;
    if (held.epoch === epoch || sameBallot(held.epoch, epoch)) return false;
    held.epoch = epoch;
    this.#onChange(aor, { kind: "raised", server, epoch, startMs: nowMs, endMs: nowMs });
    return true;
  }

  /**
   * The server no longer owns the AoR, or its process is gone.
   * @param untilNow whether it did until this instant; else it ended at some instant since it was last seen to own
   */
  lost(nowMs: number, aor: Aor, server: number, untilNow: boolean): void {
    const held = this.#held.get(server)?.get(aor);
    if (held === undefined) return;
    this.#held.get(server)?.delete(aor);
    const startMs = untilNow ? nowMs : held.seenMs;
    this.#onChange(aor, { kind: "ended", server, epoch: held.epoch, startMs, endMs: nowMs });
  }
}
