import type { DeviceDelivery } from "../federation/route-to-owner.ts";
import type { Counters } from "../runtime/metrics.ts";
import { createResponse } from "../sip/message/build.ts";
import type { SipResponse } from "../sip/message/message.ts";
import type { DeliveredNames, MessageName } from "./delivered-names.ts";
import { messageNameIn } from "./delivered-names.ts";

export interface DeliverOnceComponents {
  readonly deliver: DeviceDelivery;
  readonly delivered: DeliveredNames;
  readonly counters: Counters;
}

/** Delivery to the devices of this server's users, each message once, however often and by whichever way it comes. */
export interface OnceDelivery {
  readonly deliver: DeviceDelivery;
  /** Whether a device here has taken the message. */
  isDelivered(name: MessageName): boolean;
  /** What the devices answer to whom it was first given for, never rejected; `undefined` unless it is with them. */
  underWay(name: MessageName): Promise<SipResponse> | undefined;
}

/**
 * Notes the name of each message that a device has taken, at the one place that all pass: those of other servers, what was held here, and what
 * a client of this server sent that has been on its way to another one; what has not has no name, for nobody else knows it. One that comes again
 * is answered without being given to a device; while the devices still think, as they will answer.
 */
export function createOnceDelivery({ deliver, delivered, counters }: DeliverOnceComponents): OnceDelivery {
  const underWay = new Map<string, Promise<SipResponse>>();
  return {
    isDelivered: (name) => delivered.has(name, true),
    underWay: ({ key }) => underWay.get(key),
    deliver(request, aor, from, progress) {
      const name = messageNameIn(request.headers);
      if (name === undefined) return deliver(request, aor, from, progress);
      const isOfServer = from.transport === "MESH";
      const answered = delivered.has(name, isOfServer) ? Promise.resolve({ status: 200 }) : underWay.get(name.key);
      if (answered !== undefined) {
        counters.add("messaging.repeated");
        return answered.then(({ status }) => createResponse(request, status));
      }
      const first = deliver(request, aor, from, progress)
        .then((response) => {
          if (response.status < 300) delivered.add(name, isOfServer);
          return response;
        })
        .finally(() => underWay.delete(name.key));
      // A fault is told to whom the message was first given for; to others it is an answer.
      underWay.set(
        name.key,
        first.catch(() => createResponse(request, 500)),
      );
      return first;
    },
  };
}
