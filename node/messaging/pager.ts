import type { Aor } from "../../dht-schema/aor.ts";
import { AORTA_HOLD } from "../federation/aorta-headers.ts";
import { localFailure, unreachable } from "../federation/forward.ts";
import type { RequestIdentity } from "../federation/identity.ts";
import type { Refusal } from "../federation/refusal.ts";
import type { Locator } from "../federation/locator.ts";
import type { LeavingOrder, OwnerRouter, OwnerRouterComponents } from "../federation/route-to-owner.ts";
import { cutOff } from "../federation/route-to-owner.ts";
import { servingEpoch } from "../federation/serving-epoch.ts";
import { limits } from "../runtime/limits.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";
import type { Timers } from "../runtime/timers.ts";
import { createResponse } from "../sip/message/build.ts";
import { expiresOf } from "../sip/message/contact.ts";
import type { SipRequest, SipResponse } from "../sip/message/message.ts";
import type { IncomingRequest } from "../sip/stack.ts";
import type { OnceDelivery } from "./deliver-once.ts";
import { messageNameIn } from "./delivered-names.ts";
import type { HeldMessages } from "./held-messages.ts";
import { OnTheirWay } from "./on-their-way.ts";
import { Turns } from "./turns.ts";
import { isForNow, isOfDevices } from "./verdict.ts";

export interface PagerComponents {
  readonly router: OwnerRouter;
  readonly held: HeldMessages;
  readonly once: Pick<OnceDelivery, "isDelivered" | "underWay">;
  readonly locator: Pick<Locator, "owned" | "newestEpoch">;
  /** Whether there is no such user, as far as that can be known: of one who is registered it is not asked. */
  readonly isUnknown: (user: Aor) => boolean;
  /** Told of each message of a client of this server that was delivered or held. */
  readonly onSent: (request: SipRequest, from: Aor, to: Aor) => void;
  readonly logger: Logger;
  readonly counters: Counters;
  readonly timers: Timers;
}

/** Pager-mode messages. @see RFC 3428 */
export interface Pager {
  /** A MESSAGE for a user of this domain, whose sender the edge has found out. Every request is answered. @throws {SipParseError} */
  handleMessage(incoming: IncomingRequest, identity: RequestIdentity, to: Aor): void;
  /**
   * This server stops: resolves when its clients have been told of what they sent and is on its way. What is not answered within a moment is held. Who is not told would send it again to the
   * next run, as a new message.
   */
  stop(): Promise<void>;
}

/**
 * Proxies messages to the devices of their user, or holds them until there are some. What a message says, CPIM and IMDN included, is
 * not looked at.
 */
export function createPager({
  router,
  held,
  once,
  locator,
  isUnknown,
  onSent,
  logger,
  counters,
  timers,
}: PagerComponents): Pager {
  const turns = new Turns();
  const onTheirWay = new OnTheirWay();
  return {
    stop: () => onTheirWay.stop(limits.messaging.stopMs, timers),
    handleMessage(incoming, identity, to) {
      const { request, flow } = incoming;
      const refusal = check(request);
      if (refusal !== undefined) {
        counters.add("messaging.refused");
        incoming.respond(createResponse(request, refusal.status, { reason: refusal.reason }));
        return;
      }
      counters.add("messaging.received");
      const name = identity.from === "client" ? undefined : messageNameIn(request.headers);
      // Whoever owns the user now: who has delivered it does not send it on.
      if (name !== undefined && once.isDelivered(name)) {
        counters.add("messaging.repeated");
        incoming.respond(createResponse(request, 200));
        return;
      }
      if (identity.from !== "client" && request.headers.has(AORTA_HOLD)) {
        const isHeld = held.hold(request, to);
        incoming.respond(createResponse(request, isHeld ? 202 : 480));
        return;
      }
      // Of two servers that could hold a message it is the owner; where there is none, the sender's.
      const mayHold = () => identity.from === "client" || servingEpoch(locator, to) !== undefined;
      const answer = (response: SipResponse): void => {
        if (response.status < 300 && identity.from === "client" && identity.asserted !== undefined)
          onSent(request, identity.asserted, to);
        incoming.respond(response);
      };
      const hold = () => mayHold() && held.hold(request, to);
      const again = name && once.underWay(name);
      if (again !== undefined) counters.add("messaging.repeated");
      const waitsHere = () =>
        again === undefined && held.isToQueue(request, to) && !(identity.from === "client" && isUnknown(to));
      const queue = () => answer(held.hold(request, to) ? createResponse(request, 202) : unreachable(request));
      // Each way has its own: one that is sent back here, because the user has moved here meanwhile, would wait for itself.
      const way = identity.from === "client" ? "" : identity.from.server;
      const turn = turns.begin(`${way} ${identity.asserted ?? ""} ${to}`);
      const order: LeavingOrder = {
        leave<Outcome>(go: () => Promise<Outcome>) {
          // What is for now or never waits for nothing.
          if (!held.canWait(request)) {
            turn.leave(() => {});
            return go();
          }
          let outcome: Promise<Outcome | undefined> | undefined;
          let leaves = (): void => {
            outcome = waitsHere() ? Promise.resolve(undefined) : go();
          };
          turn.leave(() => leaves());
          if (outcome !== undefined) return outcome;
          return new Promise<Outcome | undefined>((resolve) => {
            leaves = () => resolve(waitsHere() ? undefined : go());
          });
        },
        cameBack: () => turn.back(),
      };
      let isGivenUp = false;
      const serve = async (): Promise<void> => {
        if (mayHold() && waitsHere()) {
          if (turn.earlier === undefined) return queue();
          await turn.earlier;
          if (isGivenUp) return;
          // Behind those all the same if the user has moved meanwhile: they go there from here.
          if (waitsHere()) return queue();
        }
        const response = await (again ?? router.route(request, to, identity, flow, { order }));
        if (isGivenUp) return;
        // The owner hears of another device at once, and who held the message until now does not.
        const isCutOff = localFailure(response) !== undefined;
        const isToWait =
          isForNow(response.status) || isCutOff || (name?.isHeld === true && isOfDevices(response.status));
        if (isToWait) turn.back();
        if (isToWait && mayHold() && held.canWait(request)) await turn.earlier;
        if (isGivenUp) return;
        if (isToWait && hold()) return answer(createResponse(request, 202));
        if (again !== undefined) return answer(createResponse(request, response.status));
        counters.add(response.status < 300 ? "messaging.delivered" : `messaging.failed.${response.status}`);
        answer(isCutOff ? createResponse(request, response.status) : response);
      };
      // A fault of ours that a message brings to light costs that message, not the node.
      const failed = (error: unknown): void => {
        counters.add("messaging.faults");
        logger.error({ err: error, to }, "a message could not be handled");
        incoming.respond(createResponse(request, 500));
      };
      // Nobody knows what becomes of it. Another server sees that the link breaks.
      const giveUp = (): void => {
        isGivenUp = true;
        if (held.canWait(request) && hold()) return answer(createResponse(request, 202));
        const { status } = cutOff(request);
        counters.add(`messaging.failed.${status}`);
        answer(createResponse(request, status));
      };
      const dealtWith = identity.from === "client" ? onTheirWay.add({ giveUp }) : undefined;
      void serve()
        .catch(failed)
        .finally(() => {
          dealtWith?.();
          turn.end();
        });
    },
  };
}

/** The answer where a user is nowhere: to whom nobody knows nothing is kept for later. As {@link OwnerRouterComponents.nobody} of the pager's router. */
export function createNobody(isUnknown: PagerComponents["isUnknown"]): NonNullable<OwnerRouterComponents["nobody"]> {
  return (request, aor) => (isUnknown(aor) ? createResponse(request, 404, { reason: "No Such User" }) : undefined);
}

/** @throws {SipParseError} where Expires, which is needed once it is to be held, cannot be read */
function check({ headers, body }: SipRequest): Refusal | undefined {
  expiresOf(headers);
  if (body.length > limits.messaging.bodyBytes) return { status: 413, reason: "Request Entity Too Large" };
  // RFC 3261 §20.15: MUST be present if the body is not empty.
  if (body.length > 0 && !headers.has("Content-Type")) return { status: 400, reason: "Missing Content-Type" };
  return undefined;
}
