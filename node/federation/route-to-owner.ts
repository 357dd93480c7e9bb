import type { Aor } from "../../dht-schema/aor.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import { limits } from "../runtime/limits.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";
import { createResponse } from "../sip/message/build.ts";
import type { SipRequest, SipResponse } from "../sip/message/message.ts";
import type { Flow, InviteProgress } from "../sip/stack.ts";
import { AORTA_CUT_OFF, AORTA_NOBODY, epochIn, notOwner, notOwnerIn, stripAortaHeaders } from "./aorta-headers.ts";
import { localFailure, toServer, unreachable } from "./forward.ts";
import type { RequestIdentity } from "./identity.ts";
import type { Location, Locator } from "./locator.ts";
import type { HopAnswer, OwnerHop, RouteStep } from "./owner-route.ts";
import { arrive, CUT_OFF, OwnerRoute, TIMED_OUT } from "./owner-route.ts";
import type { Refusal } from "./refusal.ts";
import { servingEpoch } from "./serving-epoch.ts";

/**
 * Brings a request to the devices of a user whom this server owns; never rejects.
 * @param from the flow it came by
 * @param progress of an INVITE
 */
export type DeviceDelivery = (
  request: SipRequest,
  aor: Aor,
  from: Flow,
  progress?: InviteProgress,
) => Promise<SipResponse>;

export interface OwnerRouterComponents {
  /** Sends a request on to another server, as {@link SipStack.send} does. */
  readonly send: (request: SipRequest, to: Flow, from: Flow, progress?: InviteProgress) => Promise<SipResponse>;
  readonly locator: Locator;
  readonly deliver: DeviceDelivery;
  /** Where requests have names by which their receiver knows them again, so that they may be sent twice. */
  readonly named?: {
    /** Names a request that leaves for another server, unless it has a name. */
    readonly name: (request: SipRequest) => void;
    /** Waits for a moment until there is a link to a server, and says whether there is. */
    readonly untilLinked: (server: ServerId) => Promise<boolean>;
  };
  /** Waits for a moment for a user who is just registering here; `undefined` where nobody is. */
  readonly registering: (aor: Aor) => Promise<void> | undefined;
  /** What a client is answered instead where the user has no device that could be asked; `undefined`, and by default: 480, or 482 where there is only the client's own. */
  readonly nobody?: (request: SipRequest, aor: Aor) => SipResponse | undefined;
  readonly logger: Logger;
  readonly counters: Counters;
}

/** The place of a client's request among others, which it is not to overtake. */
export interface LeavingOrder {
  /** Calls `go` when the request may leave, to devices or another server; `undefined` where it may not any more: it is for now that it cannot. */
  leave<Outcome>(go: () => Promise<Outcome>): Promise<Outcome | undefined>;
  /** It did not get to its user, and may have to leave once more. */
  cameBack(): void;
}

/** Where there is none. */
const AT_ONCE: LeavingOrder = { leave: (go) => go(), cameBack() {} };

export interface RouteOptions {
  /** Of an INVITE. */
  readonly progress?: InviteProgress | undefined;
  /** @default it leaves as soon as its user is found */
  readonly order?: LeavingOrder | undefined;
}

/** Proxies a request to its user's devices, on whatever server they are. */
export interface OwnerRouter {
  /**
   * The final response for the sender of `request`; never rejects.
   * @param from the flow it came by, to which it is not sent back
   */
  route(
    request: SipRequest,
    aor: Aor,
    identity: RequestIdentity,
    from: Flow,
    options?: RouteOptions,
  ): Promise<SipResponse>;
}

export function createOwnerRouter(components: OwnerRouterComponents): OwnerRouter {
  return new OwnerRouterDriver(components);
}

/** One request on its way. */
interface Travel {
  readonly request: SipRequest;
  readonly aor: Aor;
  readonly from: Flow;
  readonly progress: InviteProgress | undefined;
  readonly order: LeavingOrder;
}

class OwnerRouterDriver implements OwnerRouter {
  readonly #components: OwnerRouterComponents;
  /** The last of the requests of other servers that wait for a user who is just registering. */
  readonly #waiting = new Map<Aor, Promise<unknown>>();

  constructor(components: OwnerRouterComponents) {
    this.#components = components;
  }

  route(
    request: SipRequest,
    aor: Aor,
    identity: RequestIdentity,
    from: Flow,
    { progress, order = AT_ONCE }: RouteOptions = {},
  ): Promise<SipResponse> {
    const travel: Travel = { request, aor, from, progress, order };
    const answer = identity.from === "client" ? this.#fromClient(travel) : this.#fromServer(travel);
    return answer.catch((error: unknown) => {
      const { counters, logger } = this.#components;
      counters.add("federation.failures");
      logger.error({ err: error, aor, method: request.method }, "a request could not be brought to its user");
      return createResponse(request, 500);
    });
  }

  async #fromClient(travel: Travel): Promise<SipResponse> {
    const { request, aor, from, progress, order } = travel;
    const { locator, deliver, counters, named } = this.#components;
    const route = new OwnerRoute(limits.federation.ownerHops, { isNamed: named !== undefined });
    let step: RouteStep = route.start();
    let response: SipResponse | undefined;
    for (;;) {
      switch (step.kind) {
        case "locate":
          step = route.located(await this.#locate(aor, step.certain));
          break;
        case "deliver": {
          // Asked again at this instant: the lookup may be older than a move.
          const isLost = () => servingEpoch(locator, aor) === undefined;
          const left = await order.leave<SipResponse | "lost">(() =>
            isLost() ? Promise.resolve("lost") : deliver(request, aor, from, progress),
          );
          if (left === undefined) return this.#stays(request, route);
          if (left === "lost") order.cameBack();
          else response = left;
          step = route.delivered(left === "lost" ? "lost" : "answered");
          break;
        }
        case "send": {
          const { hop } = step;
          const left = await order.leave(() => {
            named?.name(request);
            return this.#send(travel, hop);
          });
          if (left === undefined) return this.#stays(request, route);
          response = left;
          if (isCancelled(response, progress)) return createResponse(request, 487);
          const answer = this.#learn(aor, response);
          if (answer.failed !== undefined || answer.notOwner !== undefined) order.cameBack();
          step = route.answered(answer);
          break;
        }
        case "await-link":
          counters.add("federation.links_awaited");
          step = route.linked((await named?.untilLinked(step.hop.server)) === true);
          break;
        case "refuse":
          counters.add(`federation.refused_${step.refusal.status}`);
          return this.#toClient(travel, route.isOutcomeUnknown ? cutOff(request) : refused(request, step.refusal));
        case "relay":
          if (route.isOutcomeUnknown && response !== undefined && response.status >= 300) return cutOff(request);
          return this.#toClient(travel, response ?? createResponse(request, 500));
      }
    }
  }

  /** What it may not overtake waits: so does it. */
  #stays(request: SipRequest, { isOutcomeUnknown }: OwnerRoute): SipResponse {
    return isOutcomeUnknown ? cutOff(request) : unreachable(request);
  }

  #toClient({ request, aor }: Travel, response: SipResponse): SipResponse {
    const instead = response.headers.has(AORTA_NOBODY) ? this.#components.nobody?.(request, aor) : undefined;
    return instead ?? forClient(response);
  }

  async #fromServer(travel: Travel): Promise<SipResponse> {
    const { request, aor, from, progress } = travel;
    const { locator, deliver, counters } = this.#components;
    const sentUnder = epochIn(request.headers);
    const isRegistered = this.#registering(aor);
    if (isRegistered !== undefined) await isRegistered;
    const step = arrive(sentUnder, {
      fresh: sentUnder === undefined || locator.observeEpoch(aor, sentUnder),
      owned: servingEpoch(locator, aor) !== undefined,
      note: locator.forwardingNote(aor),
    });
    switch (step.kind) {
      case "deliver":
        return deliver(request, aor, from, progress);
      case "send": {
        counters.add("federation.forwarded_after_move");
        const response = await this.#send(travel, step.hop);
        if (isCancelled(response, progress)) return createResponse(request, 487);
        const { failed } = this.#learn(aor, response);
        if (failed === undefined) return response;
        if (failed === "timed-out") return refused(request, TIMED_OUT);
        const answer = refused(request, notOwner(aor, locator));
        if (failed === "cut-off") answer.headers.set(AORTA_CUT_OFF, "1");
        return answer;
      }
      case "not-owner":
        counters.add("federation.not_owner");
        return refused(request, notOwner(aor, locator));
    }
  }

  /** Resolves when the user is registered and those who came before have gone on: the contact may be there before who waits for it knows. */
  #registering(aor: Aor): Promise<unknown> | undefined {
    const before = this.#waiting.get(aor);
    const registered = this.#components.registering(aor);
    if (before === undefined && registered === undefined) return undefined;
    const all = Promise.all([before, registered]);
    this.#waiting.set(aor, all);
    void all.then(() => this.#waiting.get(aor) === all && this.#waiting.delete(aor));
    return all;
  }

  async #locate(aor: Aor, certain: boolean): Promise<Location> {
    try {
      return await this.#components.locator.locate(aor, { certain });
    } catch (error) {
      this.#components.logger.warn({ aor, err: error }, "lookup failed");
      return { kind: "unavailable", reason: String(error) };
    }
  }

  async #send({ request, from, progress }: Travel, { server, epoch }: OwnerHop): Promise<SipResponse> {
    this.#components.counters.add("federation.sent_to_owner");
    const to = { transport: "MESH", server } as const;
    return fromServer(await this.#components.send(toServer(request, epoch), to, from, progress));
  }

  /** Reads an answer, and learns the epoch in it. */
  #learn(aor: Aor, response: SipResponse): HopAnswer {
    const failed = localFailure(response);
    if (failed !== undefined) return { failed };
    const said = notOwnerIn(response.status, response.headers);
    if (said === undefined) return {};
    this.#components.locator.observeEpoch(aor, said.epoch);
    return { notOwner: said };
  }
}

/** Whether an INVITE was given up before anybody answered it: no other server is to be tried. */
function isCancelled(response: SipResponse, progress: InviteProgress | undefined): boolean {
  return progress?.signal?.aborted === true && localFailure(response) !== undefined;
}

function refused(request: SipRequest, { status, reason, headers }: Refusal): SipResponse {
  return createResponse(request, status, { reason, ...(headers === undefined ? {} : { headers }) });
}

/** The answer where nobody knows what became of a request. */
export function cutOff(request: SipRequest): SipResponse {
  return refused(request, CUT_OFF);
}

/** What another server answers: one that is overloaded says nothing of this one, which by 503 its client would leave. @see RFC 3261 §16.7 step 6 */
export function fromServer(response: SipResponse): SipResponse {
  if (response.status !== 503 || localFailure(response) !== undefined) return response;
  return { ...response, status: 480, reason: "Server Of User Overloaded" };
}

/** The copy of a response that goes to a client: without what only servers say to each other. */
export function forClient(response: SipResponse): SipResponse {
  const copy = { ...response, headers: response.headers.clone() };
  stripAortaHeaders(copy.headers);
  return copy;
}
