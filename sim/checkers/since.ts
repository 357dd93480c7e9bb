import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { compareBallots, formatBallot } from "../../dht-schema/ballot.ts";
import { Violation } from "./violation.ts";

/** A claim that went on since an epoch. */
export interface SinceClaim {
  readonly server: number;
  readonly since: Epoch;
}

/** By what a server owned a user last. */
interface LastOwned {
  readonly epoch: Epoch;
  /** No replica had accepted it before. */
  readonly startMs: number;
}

/**
 * A claim since an epoch that wins without a hand-over: no other server has owned the user since. Replicas remember that until
 * they restart, forget registers, or give way to others; what was won before that is excused.
 */
export class SinceChecker {
  readonly #last = new Map<Aor, Map<number, LastOwned>>();
  readonly #replicasForget: boolean;
  #forgotMs = -Infinity;

  /** @param replicasForget whether they forget registers that are nobody's: then they promise nothing here */
  constructor(replicasForget: boolean) {
    this.#replicasForget = replicasForget;
  }

  /** A server was seen to own by an epoch, which it asked for no earlier than `startMs`. */
  owned(aor: Aor, server: number, epoch: Epoch, startMs: number): void {
    let last = this.#last.get(aor);
    if (last === undefined) this.#last.set(aor, (last = new Map()));
    const before = last.get(server);
    if (before === undefined || compareBallots(epoch, before.epoch) > 0) last.set(server, { epoch, startMs });
  }

  /** A replica lost its memory, or the replicas are others now. */
  forgot(nowMs: number): void {
    this.#forgotMs = nowMs;
  }

  won(nowMs: number, aor: Aor, { server, since }: SinceClaim): void {
    if (this.#replicasForget) return;
    const last = this.#last.get(aor) ?? [];
    // A claim that waited for another one of its server may find that this has brought the user here meanwhile.
    const own = this.#last.get(aor)?.get(server)?.epoch ?? since;
    const from = compareBallots(own, since) > 0 ? own : since;
    for (const [other, { epoch, startMs }] of last) {
      if (other === server || compareBallots(epoch, from) <= 0 || startMs <= this.#forgotMs) continue;
      const message = `server ${server} took ${aor} back since ${formatBallot(since)}, though server ${other} has owned it by ${formatBallot(epoch)}`;
      throw new Violation("since", nowMs, message, aor);
    }
  }

  /** @param hasClaimed whether the server that it names has ever asked for the user */
  superseded(nowMs: number, aor: Aor, { server, since }: SinceClaim, by: Epoch, hasClaimed: boolean): void {
    if (hasClaimed && by.member !== server && compareBallots(by, since) > 0) return;
    const message = `a claim of ${aor} by server ${server} since ${formatBallot(since)} was superseded by ${formatBallot(by)}`;
    throw new Violation("since", nowMs, message, aor);
  }
}
