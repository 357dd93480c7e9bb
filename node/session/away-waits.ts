import type { Aor } from "../../dht-schema/aor.ts";
import { limits } from "../runtime/limits.ts";
import { isShareLeft } from "../runtime/share.ts";
import { Tally } from "../runtime/tally.ts";
import type { Flow } from "../sip/stack.ts";
import { flowKey } from "../sip/transaction/by-flow.ts";

/**
 * The requests within sessions that wait for a client or a server that is away. Each holds what it carries for seconds, and who is in a session may send any
 * number: so there is room for some. One server, to which many sessions lead, may have half of it at most; one client has a few.
 */
export class AwayWaits {
  readonly #waits = new Tally<string>();

  /**
   * Waits, if there is room for one more; if not, `undefined` at once.
   * @param whom a server, the client of a flow, or of a user
   */
  async wait<Found>(whom: Flow | Aor, wait: () => Promise<Found>): Promise<Found | undefined> {
    const { perClient, atOnce } = limits.session.waitingForAway;
    const key = typeof whom === "string" ? whom : flowKey(whom);
    const isServer = typeof whom !== "string" && whom.transport === "MESH";
    const waiting = this.#waits.of(key);
    if (!isServer && waiting >= perClient) return undefined;
    if (!isShareLeft(waiting, this.#waits.total, atOnce)) return undefined;
    this.#waits.add(key, 1);
    try {
      return await wait();
    } finally {
      this.#waits.add(key, -1);
    }
  }
}
