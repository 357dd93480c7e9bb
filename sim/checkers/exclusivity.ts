import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { formatBallot } from "../../dht-schema/ballot.ts";
import { Violation } from "./violation.ts";

/** What a server believes of an AoR at an instant of true time. */
export interface Believer {
  readonly number: number;
  believes(nowMs: number, aor: Aor): Epoch | undefined;
}

/**
 * I2: at no instant do two servers both believe that they own the same AoR.
 *
 * To look at every server after every step costs more than the step. It is not needed: while nothing happens in a server
 * its beliefs can only end, for they are leases that run out. So a second believer can only appear in a step, at the
 * server of that step, and it is enough to compare what that server believes afterwards with the one other server that
 * may still believe it: the last one seen to. {@link lookAtAll} compares all, without that argument; the run does so now and then.
 */
export class ExclusivityChecker {
  readonly #lastBeliever = new Map<Aor, Believer>();

  /** Whether the server is the last one seen to believe: then nothing is new. */
  isLast(aor: Aor, server: Believer): boolean {
    return this.#lastBeliever.get(aor) === server;
  }

  /** Something happened in a server, and this is an AoR that it now believes to own. */
  believed(nowMs: number, aor: Aor, epoch: Epoch, server: Believer): void {
    const last = this.#lastBeliever.get(aor);
    if (last === server) return;
    const other = last?.believes(nowMs, aor);
    if (last !== undefined && other !== undefined)
      throw overlap(nowMs, aor, [last.number, other], [server.number, epoch]);
    this.#lastBeliever.set(aor, server);
  }

  lookAtAll(nowMs: number, aors: readonly Aor[], servers: Iterable<Believer>): void {
    for (const aor of aors) {
      let owner: Believer | undefined;
      for (const server of servers) {
        const epoch = server.believes(nowMs, aor);
        if (epoch === undefined) continue;
        if (owner !== undefined) {
          const other = owner.believes(nowMs, aor) as Epoch;
          throw overlap(nowMs, aor, [owner.number, other], [server.number, epoch]);
        }
        owner = server;
      }
    }
  }
}

function overlap(nowMs: number, aor: Aor, one: readonly [number, Epoch], other: readonly [number, Epoch]): Violation {
  const [first, second] = [one, other].map(([server, epoch]) => `server ${server} by ${formatBallot(epoch)}`);
  return new Violation("I2", nowMs, `${aor} is owned by ${first} and ${second}`, aor);
}
