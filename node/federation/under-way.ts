import { sourceOf } from "../runtime/ip-addresses.ts";
import { limits } from "../runtime/limits.ts";
import { isShareLeft } from "../runtime/share.ts";
import { Tally } from "../runtime/tally.ts";
import type { Flow, IncomingRequest } from "../sip/stack.ts";
import { flowKey } from "../sip/stack.ts";
import type { RequestIdentity } from "./identity.ts";
import type { Refusal } from "./refusal.ts";

/** By 503 a client would leave its server, which has room for everybody else. */
export const OVER_SHARE: Refusal = {
  status: 480,
  reason: "Too Many Requests Under Way",
  headers: [["Retry-After", String(limits.sip.retryAfterSeconds)]],
  counter: "federation.over_share",
};

/** Who answers for a request: the user whose it is, on whatever server they are, or a server that speaks for itself. */
export function partyOf({ asserted }: RequestIdentity, flow: Flow): string {
  return asserted ?? flowKey(flow);
}

/**
 * The requests that wait for devices, or for another server. Each is one of those that this server serves at a time for as long as devices are silent, half a minute, and whoever sends it may have
 * silent devices: so one party has a share of them, and not all.
 */
export class UnderWay {
  readonly #requests = new Tally<string>();
  readonly #max: number;
  readonly #isProxy: (address: string) => boolean;

  /** @param isProxy whether many clients come from an address */
  constructor(max: number = limits.federation.underWay, isProxy: (address: string) => boolean = () => false) {
    this.#max = max;
    this.#isProxy = isProxy;
  }

  /** As {@link admit}, of a request within a session: who sends it is known by its way alone, as no password is asked for. */
  admitWithin(incoming: IncomingRequest): IncomingRequest | undefined {
    const { flow } = incoming;
    if (flow.transport === "MESH") return this.admit(incoming, flow.server);
    const most = this.#isProxy(flow.address) ? Infinity : limits.federation.underWayOfSource;
    return this.admit(incoming, sourceOf(flow.address), most);
  }

  /**
   * The request, counted until its final answer; `undefined` where its party has no share left.
   * @param most that this party may have
   */
  admit(incoming: IncomingRequest, party: string, most = Infinity): IncomingRequest | undefined {
    const has = this.#requests.of(party);
    if (has >= most || !isShareLeft(has, this.#requests.total, this.#max)) return undefined;
    this.#requests.add(party, 1);
    let isCounted = true;
    return {
      ...incoming,
      respond: (response) => {
        if (isCounted && response.status >= 200) {
          isCounted = false;
          this.#requests.add(party, -1);
        }
        incoming.respond(response);
      },
    };
  }
}
