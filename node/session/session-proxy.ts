import type { Aor } from "../../dht-schema/aor.ts";
import { unreachable } from "../federation/forward.ts";
import type { RequestIdentity } from "../federation/identity.ts";
import type { OwnerRouter, OwnerRouterComponents } from "../federation/route-to-owner.ts";
import { partyOf } from "../federation/under-way.ts";
import { createOwnerRouter, forClient } from "../federation/route-to-owner.ts";
import { ALLOW_EVENTS } from "../federation/served-events.ts";
import type { RegisteredContacts } from "../registrar/registered-contacts.ts";
import { limits } from "../runtime/limits.ts";
import { createResponse } from "../sip/message/build.ts";
import type { SipRequest, SipResponse } from "../sip/message/message.ts";
import type { Flow, IncomingRequest, InviteProgress } from "../sip/stack.ts";
import type { Branch, BranchComponents } from "./branches.ts";
import type { ContactSearch } from "./contact-search.ts";
import type { DeviceForkComponents } from "./device-fork.ts";
import { createDeviceFork } from "./device-fork.ts";
import { createDeviceSearch } from "./device-search.ts";
import { createInviteFork } from "./invite-fork.ts";
import { followed, isTooLarge } from "./passing-on.ts";
import { RingingCalls } from "./ringing-calls.ts";
import type { SessionRoutesComponents } from "./session-routes.ts";
import { SessionRoutes } from "./session-routes.ts";
import { toContact } from "./to-contact.ts";
import type { WithinSessionComponents } from "./within-session.ts";
import { WithinSession } from "./within-session.ts";

export interface SessionProxyComponents
  extends
    Pick<OwnerRouterComponents, "locator" | "logger">,
    Omit<SessionRoutesComponents, "contacts">,
    Omit<BranchComponents, "contacts">,
    Omit<WithinSessionComponents, "routes" | "locator" | "contacts" | "search"> {
  readonly contacts: RegisteredContacts;
  readonly search: Pick<ContactSearch, "find" | "isAt">;
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
  /** @see WithinSession.follow @throws {SipParseError} */
  follow(incoming: IncomingRequest): boolean;
  /** @see WithinSession.resume @throws {SipParseError} */
  resume(incoming: IncomingRequest): void;
  /** Takes no more INVITEs, and ends what rings: callers hear 480, and devices get CANCEL. Resolves when that is done, or after a moment. Sessions go on. */
  stop(): Promise<void>;
}

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
  readonly #within: WithinSession;

  constructor(components: SessionProxyComponents) {
    const { stack } = components;
    this.#components = components;
    this.#calls = new RingingCalls(components.timers);
    this.#routes = new SessionRoutes(components);
    this.#within = new WithinSession({ ...components, routes: this.#routes });
    const linkedAgain = async (to: Flow) =>
      to.transport === "MESH" && (await components.untilLinked(to.server)) ? to : undefined;
    const toServer = (request: SipRequest, to: Flow, from: Flow) => this.#routes.recorded(request, from, to);
    const toDevice = ({ request, aor, device }: Branch, from: Flow) =>
      this.#routes.recorded(request, from, device.flow, aor);
    const registering = (aor: Aor) => components.contacts.registering(aor);
    this.#invitations = createOwnerRouter({
      ...components,
      registering,
      send: (request, to, from, progress) =>
        stack.invite(toServer(request, to, from), to, { ...progress, reachedAgain: linkedAgain }),
      deliver: createInviteFork({
        ...components,
        invite: (branch, from, progress) => stack.invite(toDevice(branch, from), branch.device.flow, progress),
      }),
    });
    const send: DeviceForkComponents["send"] = (branch, from, options) =>
      stack.send(toDevice(branch, from), branch.device.flow, options);
    const others: OwnerRouterComponents = {
      ...components,
      registering,
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
    this.#ring(incoming, identity, (progress) => this.#invitations.route(request, to, identity, flow, { progress }));
  }

  handleReplacement(incoming: IncomingRequest, identity: RequestIdentity & { readonly asserted: Aor }): void {
    const { request, flow } = incoming;
    this.#ring(incoming, identity, (progress) => {
      const users = this.#components.search.find(request.uri, identity.asserted);
      const route = (toUser: SipRequest, aor: Aor) =>
        this.#invitations.route(toUser, aor, identity, flow, { progress });
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
    const party = partyOf(identity, incoming.flow);
    if (this.#calls.isClosed || !this.#calls.isShareLeft(party)) {
      counters.add("session.overload");
      const headers = [["Retry-After", String(limits.sip.retryAfterSeconds)]] as const;
      // By 503 a client leaves its server: for this one's own, where it is the server that is full.
      const isOwn = identity.from === "client" && this.#calls.isClosed;
      return incoming.respond(isOwn ? createResponse(request, 503, { headers }) : unreachable(request));
    }
    counters.add("session.invites");
    const call = this.#calls.begin(party, () => incoming.respond(unreachable(request)));
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

  follow(incoming: IncomingRequest): boolean {
    return this.#within.follow(incoming);
  }

  resume(incoming: IncomingRequest): void {
    this.#within.resume(incoming);
  }

  handleOther(incoming: IncomingRequest, identity: RequestIdentity, to: Aor): void {
    const { request, flow } = incoming;
    if (isTooLarge(request)) return incoming.respond(createResponse(request, 413));
    this.#components.counters.add("session.others");
    const router = request.method === "SUBSCRIBE" ? this.#subscriptions : this.#others;
    void router.route(request, to, identity, flow).then((response) => incoming.respond(response));
  }
}

/** What this node answers by itself to a SUBSCRIBE of a package that it does not serve, where nobody can be asked. @see RFC 6665 §4.2.1.1 */
function badEvent(request: SipRequest): SipResponse {
  return createResponse(request, 489, { reason: "Bad Event", headers: [["Allow-Events", ALLOW_EVENTS]] });
}
