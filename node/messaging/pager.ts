import type { Aor } from "../../dht-schema/aor.ts";
import type { RequestIdentity } from "../federation/identity.ts";
import type { Refusal } from "../federation/refusal.ts";
import type { OwnerRouter } from "../federation/route-to-owner.ts";
import { limits } from "../runtime/limits.ts";
import type { Counters } from "../runtime/metrics.ts";
import { createResponse } from "../sip/message/build.ts";
import type { SipRequest } from "../sip/message/message.ts";
import type { IncomingRequest } from "../sip/stack.ts";

export interface PagerComponents {
  readonly router: OwnerRouter;
  readonly counters: Counters;
}

/** Pager-mode messages. @see RFC 3428 */
export interface Pager {
  /** A MESSAGE for a user of this domain, whose sender the edge has found out. Every request is answered. */
  handleMessage(incoming: IncomingRequest, identity: RequestIdentity, to: Aor): void;
}

/** Proxies messages to the devices of their user. What a message says, CPIM and IMDN included, is not looked at. */
export function createPager({ router, counters }: PagerComponents): Pager {
  return {
    handleMessage(incoming, identity, to) {
      const { request, flow } = incoming;
      const refusal = check(request);
      if (refusal !== undefined) {
        counters.add("messaging.refused");
        incoming.respond(createResponse(request, refusal.status, { reason: refusal.reason }));
        return;
      }
      counters.add("messaging.received");
      void router.route(request, to, identity, flow).then((response) => {
        counters.add(response.status < 300 ? "messaging.delivered" : "messaging.failed");
        incoming.respond(response);
      });
    },
  };
}

function check({ headers, body }: SipRequest): Refusal | undefined {
  if (body.length > limits.messaging.bodyBytes) return { status: 413, reason: "Request Entity Too Large" };
  // RFC 3261 §20.15: MUST be present if the body is not empty.
  if (body.length > 0 && !headers.has("Content-Type")) return { status: 400, reason: "Missing Content-Type" };
  return undefined;
}
