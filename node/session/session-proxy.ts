import type { Aor } from "../../dht-schema/aor.ts";
import { stripCredentials } from "../federation/challenges.ts";
import { IDENTITIES_REMOVED, stripAssertions } from "../federation/edge-identity.ts";
import { fromDevice, localFailure, maxForwardsOf, unreachable } from "../federation/forward.ts";
import type { RequestIdentity } from "../federation/identity.ts";
import type { OwnerRouter, OwnerRouterComponents } from "../federation/route-to-owner.ts";
import { createOwnerRouter, forClient, fromServer } from "../federation/route-to-owner.ts";
import { ALLOW_EVENTS } from "../federation/served-events.ts";
import { limits } from "../runtime/limits.ts";
import type { Timers } from "../runtime/timers.ts";
import { createResponse } from "../sip/message/build.ts";
import { eventTypeIn } from "../sip/message/event.ts";
import type { SipRequest, SipResponse } from "../sip/message/message.ts";
import type { Flow, IncomingRequest, InviteProgress, PeerReach, SipSessions, SipStack } from "../sip/stack.ts";
import { AwayWaits } from "./away-waits.ts";
import type { Branch, BranchComponents } from "./branches.ts";
import type { ContactSearch } from "./contact-search.ts";
import type { DeviceForkComponents } from "./device-fork.ts";
import { createDeviceFork } from "./device-fork.ts";
import { createDeviceSearch } from "./device-search.ts";
import { createInviteFork } from "./invite-fork.ts";
import type { RegisteredAgainComponents } from "./registered-again.ts";
import { RegisteredAgain } from "./registered-again.ts";
import { RingingCalls } from "./ringing-calls.ts";
import type { ServerAheadComponents } from "./server-ahead.ts";
import { ServerAhead } from "./server-ahead.ts";
import type { SessionRoutesComponents, Way } from "./session-routes.ts";
import { dialogTag, SessionRoutes } from "./session-routes.ts";
import { toContact } from "./to-contact.ts";

export interface SessionProxyComponents
  extends
    Pick<OwnerRouterComponents, "locator" | "logger" | "counters">,
    SessionRoutesComponents,
    Omit<BranchComponents, "contacts">,
    Pick<RegisteredAgainComponents, "contacts">,
    Pick<ServerAheadComponents, "untilLinked"> {
  readonly stack: Pick<SipStack, "send"> & SipSessions;
  /** Of the credentials that are for this server. */
  readonly realm: string;
  readonly timers: Timers;
  readonly search: Pick<ContactSearch, "find">;
}

/**
 * Sessions between users: INVITE is brought to the devices of its user, on whatever server they are, and what follows in the dialog
 * goes the same way back and forth. What the sessions carry (SDP, MSRP, audio) goes from end to end and is not looked at.
 */
export interface SessionProxy {
  /** An INVITE that begins a session with a user of the domain. */
  handleInvite(incoming: IncomingRequest, identity: RequestIdentity, to: Aor): void;
  /** A client's INVITE that is to take the place of a session (RFC 3891): to the device at the Contact that is its Request-URI, on whatever server, if it is registered. */
  handleReplacement(incoming: IncomingRequest, identity: RequestIdentity & { readonly asserted: Aor }): void;
  /** Any other request for a user's devices that the node does not serve itself. A dialog that comes of it, as of REFER, has its way as a session has. */
  handleOther(incoming: IncomingRequest, identity: RequestIdentity, to: Aor): void;
  /** Takes a request that belongs to a session which this server has passed on; false when it is none. @throws {SipParseError} */
  follow(incoming: IncomingRequest): boolean;
  /** Takes no more INVITEs, and ends what rings: callers hear 480, and devices get CANCEL. Resolves when that is done, or after a moment. Sessions go on. */
  stop(): Promise<void>;
}

/**
 * What belongs to a session. All else would be asked for in somebody's name, and nobody has proven theirs on this way; a MESSAGE is of the two who talk.
 * @see RFC 3261 §11, §12.2, 3262, 3311, 3428 §4, 3515, 6086
 */
const METHODS: ReadonlySet<string> = new Set([
  ...["INVITE", "ACK", "BYE", "PRACK", "UPDATE", "INFO", "REFER", "OPTIONS", "MESSAGE"],
]);

/**
 * Of these devices show people who From says they are of, as outside of sessions, where it has been proven: so it has to be who began or answered the session.
 * What carries the session itself may name another (RFC 4916 §4), and is not to fail for a name.
 */
const SHOWN: ReadonlySet<string> = new Set(["MESSAGE", "REFER"]);

export function createSessionProxy(components: SessionProxyComponents): SessionProxy {
  return new Proxy(components);
}

class Proxy implements SessionProxy {
  readonly #components: SessionProxyComponents;
  readonly #routes: SessionRoutes;
  readonly #invitations: OwnerRouter;
  readonly #others: OwnerRouter;
  readonly #subscriptions: OwnerRouter;
  readonly #calls: RingingCalls;
  readonly #away: RegisteredAgainComponents & ServerAheadComponents;

  constructor(components: SessionProxyComponents) {
    const { stack } = components;
    this.#components = components;
    this.#calls = new RingingCalls(components.timers);
    this.#away = { ...components, waits: new AwayWaits() };
    this.#routes = new SessionRoutes(components);
    const toServer = (request: SipRequest, to: Flow, from: Flow) => this.#routes.recorded(request, from, to);
    const toDevice = ({ request, aor, device }: Branch, from: Flow) =>
      this.#routes.recorded(request, from, device.flow, aor);
    this.#invitations = createOwnerRouter({
      ...components,
      send: (request, to, from, progress) => stack.invite(toServer(request, to, from), to, progress),
      deliver: createInviteFork({
        ...components,
        invite: (branch, from, progress) => stack.invite(toDevice(branch, from), branch.device.flow, progress),
      }),
    });
    const send: DeviceForkComponents["send"] = (branch, from, options) =>
      stack.send(toDevice(branch, from), branch.device.flow, options);
    const others: OwnerRouterComponents = {
      ...components,
      send: (request: SipRequest, to: Flow, from: Flow) => stack.send(toServer(request, to, from), to),
      deliver: createDeviceFork({ ...components, send }),
    };
    this.#others = createOwnerRouter(others);
    this.#subscriptions = createOwnerRouter({
      ...others,
      deliver: createDeviceSearch({ ...components, send }),
      nobody: badEvent,
    });
  }

  handleInvite(incoming: IncomingRequest, identity: RequestIdentity, to: Aor): void {
    const { request, flow } = incoming;
    this.#ring(incoming, identity, (progress) => this.#invitations.route(request, to, identity, flow, progress));
  }

  handleReplacement(incoming: IncomingRequest, identity: RequestIdentity & { readonly asserted: Aor }): void {
    const { request, flow } = incoming;
    this.#ring(incoming, identity, (progress) => {
      const users = this.#components.search.find(request.uri, identity.asserted);
      const route = (toUser: SipRequest, aor: Aor) => this.#invitations.route(toUser, aor, identity, flow, progress);
      return toContact(request, users, route, progress.signal);
    });
  }

  /** Follows an INVITE on its way, if there is room for one more. */
  #ring(
    incoming: IncomingRequest,
    identity: RequestIdentity,
    route: (progress: InviteProgress & { readonly signal: AbortSignal }) => Promise<SipResponse>,
  ): void {
    const { counters } = this.#components;
    const { request } = incoming;
    if (isTooLarge(request)) return incoming.respond(createResponse(request, 413));
    if (this.#calls.isClosed) {
      counters.add("session.overload");
      const headers = [["Retry-After", String(limits.sip.retryAfterSeconds)]] as const;
      // By 503 a client leaves its server: for this one's own.
      const isOwn = identity.from === "client";
      return incoming.respond(isOwn ? createResponse(request, 503, { headers }) : unreachable(request));
    }
    counters.add("session.invites");
    const call = this.#calls.begin(() => incoming.respond(unreachable(request)));
    const relay = (response: SipResponse) =>
      incoming.respond(identity.from === "client" ? forClient(response) : response);
    void route(followed(incoming, relay, call.cancelled)).then((response) => {
      counters.add(response.status < 300 ? "session.answered" : "session.failed");
      relay(call.isStopped && response.status === 487 ? unreachable(request) : response);
      call.end();
    });
  }

  stop(): Promise<void> {
    return this.#calls.stop();
  }

  handleOther(incoming: IncomingRequest, identity: RequestIdentity, to: Aor): void {
    const { request, flow } = incoming;
    if (isTooLarge(request)) return incoming.respond(createResponse(request, 413));
    this.#components.counters.add("session.others");
    const router = request.method === "SUBSCRIBE" ? this.#subscriptions : this.#others;
    void router.route(request, to, identity, flow).then((response) => incoming.respond(response));
  }

  follow(incoming: IncomingRequest): boolean {
    const { request, flow } = incoming;
    const { headers } = request;
    // RFC 3261 §9.2: a CANCEL belongs to its INVITE, not to a session, and the stack has found none.
    if (request.method === "CANCEL" || dialogTag(headers, "To") === undefined) return false;
    if (!this.#routes.isRecorded(headers, flow)) return false;
    const refuse = (status: number) => incoming.respond(createResponse(request, status));
    const way = this.#routes.wayOf(headers);
    if (!mayGo(request, way)) {
      this.#components.counters.add("session.refused");
      refuse(403);
      return true;
    }
    const maxForwards = maxForwardsOf(request);
    if (maxForwards === undefined) refuse(400);
    else if (maxForwards === 0) refuse(483);
    else if (isTooLarge(request)) refuse(413);
    else {
      const onward = toNext(request, maxForwards - 1, this.#components.realm);
      if (stripAssertions(onward.headers)) this.#components.counters.add(IDENTITIES_REMOVED);
      this.#pass(incoming, onward, way, refuse);
    }
    return true;
  }

  #pass(incoming: IncomingRequest, request: SipRequest, way: Way, refuse: (status: number) => void): void {
    const { counters } = this.#components;
    const next = this.#routes.follow(request.headers);
    // Its way leads here and no further: the client has left out a part of it.
    if (next === undefined) return refuse(404);
    counters.add("session.followed");
    const ahead = this.#whoIsAhead(next, request, way);
    const cancelled = new AbortController();
    // While it waits nobody else has it.
    incoming.onCancel((reason) => {
      cancelled.abort(reason);
      refuse(487);
    });
    const followedOn = { incoming, request, ahead, refuse, cancelled };
    const to = ahead?.flow(next) ?? next;
    if (to instanceof Promise) void to.then((flow) => this.#passTo(flow, followedOn));
    else this.#passTo(to, followedOn);
  }

  #whoIsAhead(next: Flow, request: SipRequest, way: Way): Followed["ahead"] {
    if (next.transport === "MESH") return new ServerAhead(next, this.#away);
    return way.of === "session" ? new RegisteredAgain(request, way, this.#away) : undefined;
  }

  #passTo(to: Flow, { incoming, request, ahead, refuse, cancelled }: Followed): void {
    const { stack } = this.#components;
    if (request.method === "ACK") return stack.acknowledge(request, to);
    // The server at the other end has looked at what its client said.
    const relay = (response: SipResponse) =>
      incoming.respond(to.transport === "MESH" ? fromServer(response) : fromDevice(response));
    const { signal } = cancelled;
    const givenUp = (): void => refuse(487);
    const reach: PeerReach | undefined = ahead && {
      // Who has given up is not to wait for a device that is away; should that come, it hears of it.
      reachedAgain: async (closed) => {
        if (signal.aborted) givenUp();
        signal.addEventListener("abort", givenUp);
        const flow = await ahead.again(closed);
        signal.removeEventListener("abort", givenUp);
        return flow;
      },
    };
    const answer =
      request.method === "INVITE"
        ? stack.invite(request, to, { ...followed(incoming, relay, cancelled), ...reach })
        : stack.send(request, to, reach);
    void answer.then((response) => {
      if (signal.aborted && localFailure(response) !== undefined) return givenUp();
      switch (localFailure(response)) {
        case "timed-out":
          return refuse(408);
        case "not-sent":
        case "cut-off":
          // RFC 5626 §5.3: the connection of that client is gone. From a server of the mesh the link is.
          return refuse(to.transport === "MESH" ? 480 : 430);
        case undefined:
          return relay(response);
      }
    });
  }
}

/** A request within a session, on its way through this server. */
interface Followed {
  readonly incoming: IncomingRequest;
  readonly request: SipRequest;
  /** Who may be away for a moment. */
  readonly ahead: Pick<RegisteredAgain, "flow" | "again"> | undefined;
  readonly refuse: (status: number) => void;
  readonly cancelled: AbortController;
}

/** What this node answers by itself to a SUBSCRIBE of a package that it does not serve, where nobody can be asked. @see RFC 6665 §4.2.1.1 */
function badEvent(request: SipRequest): SipResponse {
  return createResponse(request, 489, { reason: "Bad Event", headers: [["Allow-Events", ALLOW_EVENTS]] });
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

/** Whether a request brings more than this server carries to a device. @see RFC 3261 §21.4.11 */
function isTooLarge({ body }: SipRequest): boolean {
  return body.length > limits.session.bodyBytes;
}

/**
 * A NOTIFY or SUBSCRIBE is only where it is about what becomes of a REFER: some devices obey others, such as `check-sync`, without having
 * subscribed. @see RFC 3515 §2.4.4
 */
function isOfSession({ method, headers }: SipRequest): boolean {
  return method === "NOTIFY" || method === "SUBSCRIBE" ? eventTypeIn(headers) === "refer" : METHODS.has(method);
}

/** An INVITE's provisional and further answers go back; its CANCEL goes on. */
function followed(
  incoming: IncomingRequest,
  relay: (response: SipResponse) => void,
  cancelled: AbortController,
): InviteProgress & { readonly signal: AbortSignal } {
  incoming.onCancel((reason) => cancelled.abort(reason));
  return {
    signal: cancelled.signal,
    onProvisional: (response) => {
      // RFC 3261 §16.7 step 2: 100 is of one hop.
      if (response.status > 100) relay(response);
    },
    onSuccess: relay,
  };
}

/** The copy that goes on: credentials for this server stay here. */
function toNext(request: SipRequest, maxForwards: number, realm: string): SipRequest {
  const headers = request.headers.clone();
  headers.set("Max-Forwards", String(maxForwards));
  stripCredentials(headers, realm);
  return { ...request, headers };
}
