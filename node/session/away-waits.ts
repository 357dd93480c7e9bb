import type { Aor } from "../../dht-schema/aor.ts";
import { sourceOf } from "../runtime/ip-addresses.ts";
import { limits } from "../runtime/limits.ts";
import { isShareLeft } from "../runtime/share.ts";
import { Tally } from "../runtime/tally.ts";
import type { Flow } from "../sip/stack.ts";
import { flowKey } from "../sip/stack.ts";

/**
 * The requests within sessions that wait for a client or a server that is away. Each holds what it carries for seconds, and who is in a session may send any
 * number: so there is room for some. One client that is away has a few; what one server is waited for, to which many sessions lead, and what one source has sent may together be as much as stays
 * free. So one source alone has a third of all, many have half of it for one server, and there is always some left for others.
 */
export class AwayWaits {
  readonly #waits = new Tally<string>();
  readonly #sources = new Tally<string>();

  /**
   * Waits, if there is room for one more; if not, `undefined` at once.
   * @param whom a server, the client of a flow, or of a user
   * @param from where the request came from: of clients, those at one address, or of IPv6 in one network, are one source
   */
  async wait<Found>(whom: Flow | Aor, from: Flow, wait: () => Promise<Found>): Promise<Found | undefined> {
    const { perClient, atOnce } = limits.session.waitingForAway;
    const key = typeof whom === "string" ? whom : flowKey(whom);
    const isServer = typeof whom !== "string" && whom.transport === "MESH";
    const source = from.transport === "MESH" ? from.server : sourceOf(from.address);
    const waiting = this.#waits.of(key);
    if (!isServer && waiting >= perClient) return undefined;
    if (!isShareLeft(waiting + this.#sources.of(source), this.#waits.total, atOnce)) return undefined;
    this.#waits.add(key, 1);
    this.#sources.add(source, 1);
    try {
      return await wait();
    } finally {
      this.#waits.add(key, -1);
      this.#sources.add(source, -1);
    }
  }
}
