import type { Aor } from "../../dht-schema/aor.ts";
import { domainOf, tryParseAor } from "../../dht-schema/aor.ts";
import { AORTA_CONTACT, stripAortaHeaders } from "../federation/aorta-headers.ts";
import { stripCredentials } from "../federation/challenges.ts";
import { IDENTITIES_REMOVED, stripAssertions } from "../federation/edge-identity.ts";
import { fromDevice, isFlowLost, isSameFlow, localFailure, maxForwardsOf } from "../federation/forward.ts";
import { fromServer } from "../federation/route-to-owner.ts";
import { SESSION_METHODS } from "../federation/session-methods.ts";
import type { Counters } from "../runtime/metrics.ts";
import type { Timers } from "../runtime/timers.ts";
import { createResponse } from "../sip/message/build.ts";
import { eventTypeIn } from "../sip/message/event.ts";
import type { SipRequest, SipResponse } from "../sip/message/message.ts";
import { parseNameAddr } from "../sip/message/name-addr.ts";
import type { Flow, IncomingRequest, PeerReach, SipSessions, SipStack } from "../sip/stack.ts";
import { flowKey } from "../sip/transaction/by-flow.ts";
import { AwayWaits } from "./away-waits.ts";
import type { MovedClientsComponents } from "./moved-clients.ts";
import { MovedClients } from "./moved-clients.ts";
import type { OtherEndComponents, Reached } from "./other-end.ts";
import { OtherEnd, routedTo } from "./other-end.ts";
import { followed, isTooLarge } from "./passing-on.ts";
import type { RegisteredAgainComponents } from "./registered-again.ts";
import { RegisteredAgain } from "./registered-again.ts";
import type { ServerAheadComponents } from "./server-ahead.ts";
import { ServerAhead } from "./server-ahead.ts";
import type { SessionRoutes, Way } from "./session-routes.ts";
import { dialogTag } from "./session-routes.ts";
import { untilThere } from "./until-there.ts";

export interface WithinSessionComponents
  extends
    Pick<OtherEndComponents, "stack">,
    Pick<ServerAheadComponents, "isMember" | "isLinked" | "untilLinked">,
    Pick<MovedClientsComponents, "search"> {
  readonly contacts: OtherEndComponents["contacts"] & MovedClientsComponents["contacts"];
  readonly locator: OtherEndComponents["locator"] & MovedClientsComponents["locator"];
  readonly stack: Pick<SipStack, "send"> & SipSessions;
  readonly routes: SessionRoutes;
  /** Of the credentials that are for this server. */
  readonly realm: string;
  readonly timers: Timers;
  readonly counters: Counters;
}

/**
 * Of these devices show people who From says they are of, as outside of sessions, where it has been proven: so it has to be who began or answered the session.
 * What carries the session itself may name another (RFC 4916 §4), and is not to fail for a name.
 */
const SHOWN: ReadonlySet<string> = new Set(["MESSAGE", "REFER"]);

/** After the one that was recorded: the path that the client has registered by, which may be of the same flow, and the one that it registers by next. */
const WAYS_TRIED = 2;

/**
 * What belongs to a session: it goes the way that was recorded when the session began, or where that does not lead to the other end any more, to the device by its user and Contact.
 */
export class WithinSession {
  readonly #components: WithinSessionComponents;
  readonly #routes: SessionRoutes;
  readonly #away: RegisteredAgainComponents & ServerAheadComponents;

  constructor(components: WithinSessionComponents) {
    this.#components = components;
    this.#routes = components.routes;
    const waits = new AwayWaits();
    this.#away = { ...components, waits, moved: new MovedClients({ ...components, waits, domain: components.realm }) };
  }

  /** Takes a request that belongs to a session which this server has passed on, or which another server brings to a device here; false when it is none. @throws {SipParseError} */
  follow(incoming: IncomingRequest): boolean {
    const { request, flow } = incoming;
    const { headers } = request;
    // RFC 3261 §9.2: a CANCEL belongs to its INVITE, not to a session, and the stack has found none.
    if (request.method === "CANCEL" || dialogTag(headers, "To") === undefined) return false;
    if (!this.#routes.isRecorded(headers, flow)) {
      if (this.#arrived(incoming)) return true;
      if (request.method === "ACK" && headers.has("Route") && this.#isOfSender(incoming)) this.resume(incoming);
      return false;
    }
    const refuse = (status: number) => incoming.respond(createResponse(request, status));
    const way = this.#routes.wayOf(headers);
    if (!mayGo(request, way)) {
      this.#components.counters.add("session.refused");
      refuse(403);
      return true;
    }
    const onward = this.#onward(request, refuse);
    if (onward === undefined) return true;
    if (stripAssertions(onward.headers)) this.#components.counters.add(IDENTITIES_REMOVED);
    this.#pass(incoming, onward, way, refuse);
    return true;
  }

  #pass(incoming: IncomingRequest, request: SipRequest, way: Way, refuse: (status: number) => void): void {
    const { counters } = this.#components;
    const next = this.#routes.follow(request.headers);
    // Its way leads here and no further: the client has left out a part of it.
    if (next === undefined) return refuse(404);
    counters.add("session.followed");
    const end = way.to && new OtherEnd(request, incoming.flow, way.to, this.#components);
    const ahead = this.#whoIsAhead(next, incoming.flow, way, end);
    const followedOn = { ...begun(incoming, refuse), request, ...(end && { end }), ...(ahead && { ahead }) };
    const pass = (to: Flow): void => {
      if (end === undefined || isSameWay(to, next)) this.#passTo(to, followedOn);
      else this.#passBy(to, end, followedOn);
    };
    const to = ahead?.flow(next) ?? next;
    if (to instanceof Promise) void to.then(pass);
    else pass(to);
  }

  #whoIsAhead(
    next: Flow,
    source: Flow,
    way: Way,
    end: OtherEnd | undefined,
  ): ServerAhead | RegisteredAgain | undefined {
    if (next.transport === "MESH") return new ServerAhead(next, source, end, this.#away);
    return way.to && end && new RegisteredAgain(end, way.to.isNewer, this.#away);
  }

  /**
   * A request of a user who has shown who they are, within a session whose way does not lead through this server: their client has come from another one, which may be gone. It goes
   * to the device of the user in To whose Contact is its Request-URI, on whatever server, and waits for it for a moment. @throws {SipParseError}
   */
  resume(incoming: IncomingRequest): void {
    const { realm } = this.#components;
    const { request } = incoming;
    const refuse = (status: number) => incoming.respond(createResponse(request, status));
    const onward = this.#onward(request, refuse);
    if (onward === undefined) return;
    stripAssertions(onward.headers);
    const user = tryParseAor(parseNameAddr(request.headers.get("To") ?? "").uri);
    if (user === undefined || domainOf(user) !== realm) return refuse(481);
    if (dialogTag(request.headers, "To") === undefined) return refuse(481);
    const end = new OtherEnd(onward, incoming.flow, { isTowards: (aor) => aor === user }, this.#components);
    const followedOn = { ...begun(incoming, refuse), request: onward };
    void this.#until(
      user,
      incoming.flow,
      () => end.here() ?? end.elsewhere(),
      (changed) => end.listen(changed),
    ).then((to) => (to ? this.#passBy(to, end, followedOn) : refuse(480)));
  }

  /** What another server brings to the one device of a user of this server that has the session; false when it is no such request. */
  #arrived(incoming: IncomingRequest): boolean {
    const { request, flow } = incoming;
    const contact = request.headers.get(AORTA_CONTACT);
    const user = tryParseAor(request.uri);
    if (flow.transport !== "MESH" || contact === undefined || user === undefined) return false;
    if (!isOfSession(request)) return false;
    const refuse = (status: number) => incoming.respond(createResponse(request, status));
    const copy = this.#onward(request, refuse);
    if (copy === undefined) return true;
    const onward = { ...copy, uri: contact };
    stripAortaHeaders(onward.headers);
    stripAssertions(onward.headers);
    const end = new OtherEnd(onward, incoming.flow, { isTowards: (aor) => aor === user }, this.#components);
    const followedOn = { ...begun(incoming, refuse), request: onward };
    // The other server may have heard that this one has the user before it has itself.
    void this.#until(
      flow,
      flow,
      () => end.here(),
      (changed) => end.listenHere(changed),
    ).then((to) => (to ? this.#passTo(to, { ...followedOn, request: routedTo(to, onward) }) : refuse(480)));
    return true;
  }

  /** The copy that goes on: credentials for this server stay here. `undefined` where it cannot, which is answered. @see RFC 3261 §16.3, §16.6 step 3 */
  #onward(request: SipRequest, refuse: (status: number) => void): SipRequest | undefined {
    const maxForwards = maxForwardsOf(request);
    if (maxForwards === undefined || maxForwards === 0 || isTooLarge(request)) {
      refuse(maxForwards === undefined ? 400 : maxForwards === 0 ? 483 : 413);
      return undefined;
    }
    const headers = request.headers.clone();
    headers.set("Max-Forwards", String(maxForwards - 1));
    stripCredentials(headers, this.#components.realm);
    return { ...request, headers };
  }

  async #until(
    whom: Flow | Aor,
    source: Flow,
    look: () => Reached | undefined,
    listen: (changed: () => void) => () => void,
  ): Promise<Reached | undefined> {
    const { waits, timers } = this.#away;
    // Who is there is not waited for, and takes no place of those who are.
    return look() ?? waits.wait(whom, source, () => untilThere(look, listen, timers));
  }

  /** To where its other end is now, to which the way that was recorded does not lead: to another server as for one device of its user. */
  #passBy(to: Reached, end: OtherEnd, followedOn: Followed): void {
    this.#components.counters.add("session.resumed");
    const request = routedTo(to, followedOn.request);
    const isElsewhere = to.transport === "MESH" && end.user !== undefined;
    const onward = isElsewhere
      ? { ...request, uri: end.user, headers: request.headers.set(AORTA_CONTACT, request.uri) }
      : request;
    const { flow } = followedOn.incoming;
    const another = to.transport === "MESH" && { ahead: new ServerAhead(to, flow, undefined, this.#away) };
    this.#passTo(to, { ...followedOn, ...another, request: onward });
  }

  /** A proxy does not reach the client any more by the way that was recorded: where has it registered since? */
  async #passAgain(to: Flow, end: OtherEnd, followedOn: Followed, otherwise: () => void): Promise<void> {
    const { request } = followedOn;
    const isAnother = ({ path }: Reached) =>
      path !== undefined && String(path) !== String(request.headers.all("Route"));
    const look = () => {
      const here = end.here();
      return here !== undefined && isAnother(here) ? here : end.elsewhere();
    };
    const found = await this.#until(end.user ?? to, end.source, look, (changed) => end.listen(changed));
    if (found === undefined || followedOn.cancelled.signal.aborted) return otherwise();
    this.#passBy(found, end, { ...followedOn, waysLost: followedOn.waysLost + 1 });
  }

  /** Whether a client whom From names has registered by the very flow by which an ACK comes: it cannot be asked for a digest. @see RFC 3261 §22.1 */
  #isOfSender({ request, flow }: IncomingRequest): boolean {
    const sender = tryParseAor(parseNameAddr(request.headers.get("From") ?? "").uri);
    const contacts = sender === undefined ? [] : this.#components.contacts.contactsOf(sender);
    return contacts.some((contact) => isSameFlow(contact.flow, flow));
  }

  #passTo(to: Flow, followedOn: Followed): void {
    const { incoming, request, ahead, end, refuse, cancelled } = followedOn;
    const { stack } = this.#components;
    if (request.method === "ACK") return stack.acknowledge(request, to);
    // The server at the other end has looked at what its client said.
    const relay = (response: SipResponse) =>
      incoming.respond(to.transport === "MESH" ? fromServer(response) : fromDevice(response));
    let isPassedBy = false;
    const reach: PeerReach | undefined = ahead && {
      reachedAgain: async (closed) => {
        const flow = isPassedBy ? undefined : await ahead.again(closed);
        return isPassedBy ? undefined : flow;
      },
    };
    const stopListening = ahead?.listen?.(to, (now) => {
      stopListening?.();
      if (cancelled.signal.aborted) return;
      isPassedBy = true;
      if (end !== undefined) this.#passBy(now, end, followedOn);
    });
    const heard = (response: SipResponse): void => {
      stopListening?.();
      relay(response);
    };
    const answer =
      request.method === "INVITE"
        ? stack.invite(request, to, { ...followed(incoming, heard, cancelled), ...reach })
        : stack.send(request, to, reach);
    void answer.then((response) => {
      stopListening?.();
      const failure = localFailure(response);
      const isLost = failure === undefined && to.transport !== "MESH" && isFlowLost(response);
      if (isPassedBy && (failure !== undefined || isLost)) return;
      if (cancelled.signal.aborted && failure !== undefined) return refuse(487);
      switch (failure) {
        case "timed-out":
          return refuse(408);
        case "not-sent":
        case "cut-off":
          // RFC 5626 §5.3: the connection of that client is gone. From a server of the mesh the link is.
          return refuse(to.transport === "MESH" ? 480 : 430);
        case undefined:
          if (end === undefined || !isLost || followedOn.waysLost === WAYS_TRIED) return relay(response);
          return void this.#passAgain(to, end, followedOn, () => relay(response));
      }
    });
  }
}

/** A request within a session, on its way through this server. */
interface Followed {
  readonly incoming: IncomingRequest;
  readonly request: SipRequest;
  /** Who may be away for a moment. */
  readonly ahead?: Pick<RegisteredAgain, "again"> & Partial<Pick<RegisteredAgain, "listen">>;
  /** Whom it is for, where it goes by the way that was recorded: taken there by another while nothing has been heard of it by that one. */
  readonly end?: OtherEnd;
  /** How often a proxy has said that its client is not there. */
  readonly waysLost: number;
  readonly refuse: (status: number) => void;
  readonly cancelled: AbortController;
}

function begun(
  incoming: IncomingRequest,
  refuse: (status: number) => void,
): Pick<Followed, "incoming" | "refuse" | "cancelled" | "waysLost"> {
  const cancelled = new AbortController();
  // While it waits nobody else has it.
  incoming.onCancel((reason) => {
    cancelled.abort(reason);
    refuse(487);
  });
  return { incoming, refuse, cancelled, waysLost: 0 };
}

/** Whether two ways are by the same server, or both to a client of this one. */
function isSameWay(a: Flow, b: Flow): boolean {
  return a.transport === "MESH" || b.transport === "MESH" ? flowKey(a) === flowKey(b) : true;
}

/** Whether a request is of what made its way. */
function mayGo(request: SipRequest, way: Way): boolean {
  const { method } = request;
  const isOfSubscription = method === "NOTIFY" || method === "SUBSCRIBE";
  switch (way.of) {
    case "session":
      return isOfSession(request) && (way.isOfEnds || !SHOWN.has(method));
    case "subscription":
      return way.only === undefined ? isOfSubscription : method === way.only;
    case "unknown":
      return isOfSubscription || isOfSession(request);
  }
}

/**
 * A NOTIFY or SUBSCRIBE is only where it is about what becomes of a REFER: some devices obey others, such as `check-sync`, without having
 * subscribed. @see RFC 3515 §2.4.4
 */
function isOfSession({ method, headers }: SipRequest): boolean {
  return method === "NOTIFY" || method === "SUBSCRIBE" ? eventTypeIn(headers) === "refer" : SESSION_METHODS.has(method);
}
