import { limits } from "../runtime/limits.ts";
import { isShareLeft } from "../runtime/share.ts";
import { Tally } from "../runtime/tally.ts";
import type { Flow, IncomingRequest } from "../sip/stack.ts";
import { flowKey } from "../sip/transaction/by-flow.ts";
import type { RequestIdentity } from "./identity.ts";
import type { Refusal } from "./refusal.ts";

/** By 503 a client would leave its server, which has room for everybody else. */
export const OVER_SHARE: Refusal = {
  status: 480,
  reason: "Too Many Requests Under Way",
  headers: [["Retry-After", String(limits.sip.retryAfterSeconds)]],
  counter: "federation.over_share",
};

/** Who answers for a request: a user, another server, or whoever is at the other end of its flow. */
export function partyOf({ asserted, from }: RequestIdentity, flow: Flow): string {
  return from === "client" ? (asserted ?? flowKey(flow)) : from.server;
}

/**
 * The requests that wait for devices, or for another server. Each is one of those that this server serves at a time for as long as devices are silent, half a minute, and whoever sends it may have
 * silent devices: so one party has a share of them, and not all.
 */
export class UnderWay {
  readonly #requests = new Tally<string>();
  readonly #max: number;

  constructor(max: number = limits.federation.underWay) {
    this.#max = max;
  }

  /** The request, counted until its final answer; `undefined` where its party has no share left. */
  admit(incoming: IncomingRequest, party: string): IncomingRequest | undefined {
    if (!isShareLeft(this.#requests.of(party), this.#requests.total, this.#max)) return undefined;
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
