import type { Aor } from "../../dht-schema/aor.ts";
import { domainOf, tryParseAor } from "../../dht-schema/aor.ts";
import { AORTA_CONTACT, stripAortaHeaders } from "../federation/aorta-headers.ts";
import { stripCredentials } from "../federation/challenges.ts";
import { IDENTITIES_REMOVED, stripAssertions } from "../federation/edge-identity.ts";
import { isSameFlow, maxForwardsOf } from "../federation/forward.ts";
import { SESSION_METHODS } from "../federation/session-methods.ts";
import type { Counters } from "../runtime/metrics.ts";
import type { Timers } from "../runtime/timers.ts";
import { createResponse } from "../sip/message/build.ts";
import { eventTypeIn } from "../sip/message/event.ts";
import type { SipRequest } from "../sip/message/message.ts";
import { parseNameAddr } from "../sip/message/name-addr.ts";
import type { Flow, IncomingRequest } from "../sip/stack.ts";
import type { Ahead } from "./ahead.ts";
import { AwayWaits } from "./away-waits.ts";
import type { ClientAheadComponents } from "./client-ahead.ts";
import { ClientAhead } from "./client-ahead.ts";
import type { MovedClientsComponents } from "./moved-clients.ts";
import { MovedClients } from "./moved-clients.ts";
import type { OtherEndComponents, Reached } from "./other-end.ts";
import { OtherEnd } from "./other-end.ts";
import type { PassageComponents } from "./passage.ts";
import { Passage } from "./passage.ts";
import { isTooLarge } from "./passing-on.ts";
import type { ServerAheadComponents } from "./server-ahead.ts";
import { ServerAhead } from "./server-ahead.ts";
import type { SessionRoutes, Way } from "./session-routes.ts";
import { dialogTag } from "./session-routes.ts";
import { untilThere } from "./until-there.ts";

export interface WithinSessionComponents
  extends Pick<ServerAheadComponents, "isMember" | "isLinked" | "untilLinked">, Pick<MovedClientsComponents, "search"> {
  readonly contacts: OtherEndComponents["contacts"] & MovedClientsComponents["contacts"];
  readonly locator: OtherEndComponents["locator"] & MovedClientsComponents["locator"];
  readonly stack: PassageComponents["stack"] & OtherEndComponents["stack"];
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

/**
 * What belongs to a session: it goes the way that was recorded when the session began, or where that does not lead to the other end any more, to the device by its user and Contact.
 */
export class WithinSession {
  readonly #components: WithinSessionComponents;
  readonly #routes: SessionRoutes;
  readonly #away: ClientAheadComponents & ServerAheadComponents;

  constructor(components: WithinSessionComponents) {
    this.#components = components;
    this.#routes = components.routes;
    const waits = new AwayWaits();
    this.#away = { ...components, waits, moved: new MovedClients({ ...components, waits, domain: components.realm }) };
  }

  /** Takes a request that belongs to a session which this server has passed on, or which another server brings to a device here; false when it is none. @throws {SipParseError} */
  follow(given: IncomingRequest): boolean {
    const { flow } = given;
    const request = this.#routes.loosened(given.request);
    const incoming = { ...given, request };
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

  #pass(incoming: IncomingRequest, onward: SipRequest, way: Way, refuse: (status: number) => void): void {
    const next = this.#routes.follow(onward.headers);
    // Its way leads here and no further: the client has left out a part of it.
    if (next === undefined) return refuse(404);
    this.#components.counters.add("session.followed");
    const end = way.to && new OtherEnd(onward, incoming.flow, way.to, this.#components);
    this.#passage(incoming, onward, end).goOn(next, this.#whoIsAhead(next, incoming.flow, way, end));
  }

  #whoIsAhead(next: Flow, source: Flow, way: Way, end: OtherEnd | undefined): Ahead | undefined {
    if (next.transport === "MESH") return new ServerAhead(next, source, end, this.#away);
    return way.to && end && new ClientAhead(end, way.to.isNewer, this.#away);
  }

  #passage(incoming: IncomingRequest, onward: SipRequest, end?: OtherEnd): Passage {
    return new Passage(incoming, onward, end, {
      ...this.#components,
      toServer: (to, source) => new ServerAhead(to, source, undefined, this.#away),
      untilAt: (other, lost, isAnother) => {
        const look = () => {
          const here = other.here();
          return here !== undefined && isAnother(here) ? here : other.elsewhere();
        };
        return this.#until(other.user ?? lost, other.source, look, (changed) => other.listen(changed));
      },
    });
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
    const passage = this.#passage(incoming, onward, end);
    void this.#until(
      user,
      incoming.flow,
      () => end.here() ?? end.elsewhere(),
      (changed) => end.listen(changed),
    ).then((to) => (to ? passage.goTo(to, end) : refuse(480)));
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
    const passage = this.#passage(incoming, onward);
    // The other server may have heard that this one has the user before it has itself.
    void this.#until(
      flow,
      flow,
      () => end.here(),
      (changed) => end.listenHere(changed),
    ).then((to) => (to ? passage.arrive(to) : refuse(480)));
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

  /** Whether a client whom From names has registered by the very flow by which an ACK comes: it cannot be asked for a digest. @see RFC 3261 §22.1 */
  #isOfSender({ request, flow }: IncomingRequest): boolean {
    const sender = tryParseAor(parseNameAddr(request.headers.get("From") ?? "").uri);
    const contacts = sender === undefined ? [] : this.#components.contacts.contactsOf(sender);
    return contacts.some((contact) => isSameFlow(contact.flow, flow));
  }
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
