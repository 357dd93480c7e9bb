import type { Aor } from "../../dht-schema/aor.ts";
import { domainOf } from "../../dht-schema/aor.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import { limits } from "../runtime/limits.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";
import { createResponse, hasTag } from "../sip/message/build.ts";
import type { SipRequest } from "../sip/message/message.ts";
import { SipParseError } from "../sip/message/sip-parse-error.ts";
import type { Flow, IncomingRequest, SipStack, SocketFlow } from "../sip/stack.ts";
import { isSecure } from "../sip/stack.ts";
import type { MachineAddresses } from "../sip/transport/machine-addresses.ts";
import { AORTA_CONTACT } from "./aorta-headers.ts";
import { stripCredentials } from "./challenges.ts";
import { assertedIn, assertIdentity, IDENTITIES_REMOVED, isForUser, stripAssertions } from "./edge-identity.ts";
import type { Examined } from "./examine-request.ts";
import {
  ALLOW,
  examineRequest,
  isProxied,
  NO_SUCH_DIALOG,
  NOT_A_RELAY,
  NOT_ALLOWED,
  SUPPORTED,
} from "./examine-request.ts";
import type { RequestIdentity } from "./identity.ts";
import { identityProblem } from "./identity-problem.ts";
import { isLoop, LOOP_DETECTED, loopPartOf } from "./loops.ts";
import type { OwnAddresses, SipName } from "./own-addresses.ts";
import { ownAddresses } from "./own-addresses.ts";
import type { Refusal } from "./refusal.ts";
import { ALLOW_EVENTS } from "./served-events.ts";
import { contactsOfListeners } from "./server-addresses.ts";
import { OVER_SHARE, partyOf, UnderWay } from "./under-way.ts";
import type { UserTimes } from "./user-times.ts";

/** What the edge learns of a client's credentials. */
export type Authentication =
  | { readonly kind: "user"; readonly aor: Aor; readonly wasChallenged?: boolean }
  /** 401 or 407 with a challenge. */
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** Finds out which user a client is. */
export interface ClientAuthenticator {
  /**
   * @param as `registrar`: we serve the request (401); `proxy`: we send it on (407).
   * @param from where it came from
   */
  authenticate(request: SipRequest, as: "registrar" | "proxy", from: SocketFlow): Authentication;
}

/** Handlers of what has passed the edge. Each answers every request. */
export interface EdgeServices {
  /** A REGISTER for the user who sent it. */
  register(incoming: IncomingRequest, user: Aor, identity: RequestIdentity): void;
  /** A REGISTER of another server that binds nothing: it asks what is registered here. */
  askRegistration(incoming: IncomingRequest, user: Aor): void;
  publish(incoming: IncomingRequest, identity: RequestIdentity): void;
  subscribe(incoming: IncomingRequest, identity: RequestIdentity): void;
  notify(incoming: IncomingRequest, identity: RequestIdentity): void;
  message(incoming: IncomingRequest, identity: RequestIdentity, to: Aor): void;
  /** An INVITE for a user's devices. */
  invite(incoming: IncomingRequest, identity: RequestIdentity, to: Aor): void;
  /** An INVITE with Replaces of a client, for the device at the Contact that is its Request-URI. */
  replace(incoming: IncomingRequest, identity: RequestIdentity & { readonly asserted: Aor }): void;
  /** What belongs to a session whose way does not lead through this server, of a client that has shown who they are. */
  resume(incoming: IncomingRequest): void;
  /** Whatever else is for a user's devices: OPTIONS, REFER, methods that the node does not know, a NOTIFY of no subscription by a server. */
  proxy(incoming: IncomingRequest, identity: RequestIdentity, to: Aor): void;
  /** Takes a request that belongs to a session which this server has passed on; false when it is none. @throws {SipParseError} */
  follow(incoming: IncomingRequest): boolean;
  /** Takes a question of another server that is about no user's devices; false when it is none. */
  asked(incoming: IncomingRequest): boolean;
}

/** A list has no devices, and never will: what is sent to one would wait for nobody. @see RFC 4662 §3, RFC 3261 §21.4.6 */
const ONLY_WATCHED: Refusal = {
  status: 405,
  reason: "A List Of Users Can Only Be Subscribed To",
  headers: [["Allow", "SUBSCRIBE"]],
};

/** Requests by the transport that they came over. */
const COUNTED = {
  UDP: "edge.requests.udp",
  TCP: "edge.requests.tcp",
  TLS: "edge.requests.tls",
  WS: "edge.requests.ws",
  WSS: "edge.requests.wss",
  MESH: "edge.requests.mesh",
} as const;

const PROXIED = { MESSAGE: "message", INVITE: "invite", OPTIONS: "proxy", NOTIFY: "proxy", other: "proxy" } as const;

export interface EdgeComponents {
  readonly stack: Pick<SipStack, "onRequest" | "listening" | "known">;
  /** What wildcard listeners stand for. */
  readonly machine: Pick<MachineAddresses, "all">;
  readonly self: ServerId;
  /** The domain served, lower case: the realm of clients' credentials too. */
  readonly domain: string;
  /** By which clients reach this node besides. */
  readonly names?: readonly SipName[];
  /** `none`: From is believed; for a demonstration on the loopback interface. */
  readonly authenticator: ClientAuthenticator | "none";
  /** Whether an address is a list of users, who can be watched together, and nothing else. */
  readonly isList: (aor: Aor) => boolean;
  /** Whether a flow is from a server that speaks for its users without having a node. */
  readonly isTrusted: (flow: Flow) => boolean;
  /** Whether many clients come from an address. @default none */
  readonly isProxy?: (address: string) => boolean;
  readonly services: EdgeServices;
  /** @default `limits.federation.underWay` */
  readonly underWay?: number;
  /** What users take of the time of the event loop. @default as much as they like */
  readonly times?: UserTimes;
  readonly logger: Logger;
  readonly counters: Counters;
}

/**
 * Receives every request of the stack, from now on: checks it, finds out who sent it, and gives it to the service that it is for.
 * See README.md in this folder for the way of each kind of request.
 */
export function createEdge(components: EdgeComponents): void {
  const edge = new Edge(components);
  components.stack.onRequest((incoming) => edge.receive(incoming));
}

class Edge {
  readonly #components: EdgeComponents;
  readonly #underWay: UnderWay;
  /** Known once the stack listens, which is before the first request; as long as the machine's addresses are the same. */
  #own: { readonly addresses: OwnAddresses; readonly machine: ReadonlySet<string> } | undefined;

  constructor(components: EdgeComponents) {
    this.#components = components;
    this.#underWay = new UnderWay(components.underWay, components.isProxy);
  }

  receive(incoming: IncomingRequest): void {
    this.#components.counters.add(COUNTED[incoming.flow.transport]);
    this.#answering(incoming, () => {
      const { request } = incoming;
      // Before anything else: within a session too, a client could send it round and round with a Route of its making.
      request.loopPart = loopPartOf(request);
      if (isLoop(request.headers, request.loopPart, this.#ownAddresses())) return this.#refuse(incoming, LOOP_DETECTED);
      if (!isOfSession(request)) return this.#take(incoming);
      const counted = this.#underWay.admitWithin(incoming);
      if (counted === undefined) this.#refuse(incoming, OVER_SHARE);
      else this.#answering(counted, () => this.#take(counted));
    });
  }

  /** Answers what cannot be read or served: what is counted has to be answered as that, or it would be counted for ever. */
  #answering(incoming: IncomingRequest, serve: () => void): void {
    const { request } = incoming;
    try {
      serve();
    } catch (error) {
      if (error instanceof SipParseError)
        return this.#refuse(incoming, { status: error.status, reason: `Bad Request: ${error.message}` });
      const { counters, logger } = this.#components;
      counters.add("edge.failures");
      logger.error({ err: error, method: request.method, uri: request.uri }, "a request could not be served");
      incoming.respond(createResponse(request, 500));
    }
  }

  #take(incoming: IncomingRequest): void {
    const { services } = this.#components;
    if (services.follow(incoming)) return;
    if (incoming.flow.transport === "MESH" && services.asked(incoming)) return;
    // RFC 3261 §17: an ACK is never answered, and no INVITE of ours waits for one.
    if (incoming.request.method !== "ACK") this.#serve(incoming);
  }

  #serve(incoming: IncomingRequest): void {
    const { request } = incoming;
    // The stack matches a CANCEL with its INVITE; this one had none. RFC 3261 §9.2
    if (request.method === "CANCEL") return this.#refuse(incoming, NO_SUCH_DIALOG);
    const { domain } = this.#components;
    const { flow } = incoming;
    const isTrusted = this.#components.isTrusted(flow);
    const fromServer = flow.transport === "MESH" || isTrusted;
    const context = { domain, own: this.#ownAddresses(), secure: isSecure(flow), fromServer };
    const examined = examineRequest(request, context);
    if (examined.kind === "refused") return this.#refuse(incoming, examined);
    // What the node can do, anybody may ask: a server that looks whether it is there does so in no user's name.
    if (examined.method === "OPTIONS" && examined.target.kind === "node") return this.#answerOptions(incoming);
    const identity =
      flow.transport === "MESH"
        ? this.#ofServer(request, flow.server)
        : isTrusted
          ? this.#ofTrusted(request, examined)
          : this.#ofClient(request, examined, flow);
    if ("status" in identity) return this.#refuse(incoming, identity);
    const { asserted, trusted } = identity;
    const serve = (): void => this.#dispatch(incoming, examined, identity);
    if (flow.transport === "MESH" || asserted === undefined) return serve();
    this.#components.stack.known(flow);
    // A server without a node asks for all of its users.
    if (trusted === true) serve();
    else this.#inTime(incoming, asserted, serve);
  }

  /** Serves a user, where there is time for them. */
  #inTime(incoming: IncomingRequest, user: Aor, serve: () => void): void {
    const { times, authenticator } = this.#components;
    // Without passwords anybody could take the time of others in their names.
    if (times === undefined || authenticator === "none") return serve();
    // Who hangs up does not do it again, and the other end would stay in the call.
    const isServed = incoming.request.method === "BYE" || times.isLeft(user);
    if (isServed) times.during(user, () => this.#answering(incoming, serve));
    else this.#refuse(incoming, outOfTime(incoming.request));
  }

  #ofServer(request: SipRequest, server: ServerId): RequestIdentity {
    return { asserted: assertedIn(request.headers), from: { server } };
  }

  /**
   * What a server says of its users is believed: whom it names, and that it may register them. Where it names nobody in
   * P-Asserted-Identity it speaks for itself, too. @see RFC 3261 §10.2; RFC 3325 §5
   */
  #ofTrusted({ headers }: SipRequest, { method, target, from, to }: Examined): RequestIdentity | Refusal {
    const { domain } = this.#components;
    const named = method === "REGISTER" ? to : (assertedIn(headers) ?? from);
    const isForItself = !isForUser(headers);
    stripAssertions(headers);
    stripCredentials(headers, domain);
    const itself: RequestIdentity = { asserted: undefined, from: "client", trusted: true };
    // Devices obey much of what they are told so: it is not for users to say.
    if (method === "NOTIFY") return isForItself || target.kind !== "user" ? itself : NO_SUCH_DIALOG;
    if (method === "OPTIONS" && named === undefined) return itself;
    if (named === undefined || domainOf(named) !== domain) {
      // RFC 3261 §10.3 step 5
      if (method === "REGISTER") return { status: 404, reason: "No User Of That Address" };
      return method === "SUBSCRIBE" && isForItself ? itself : { status: 403, reason: "Not A User Of This Domain" };
    }
    assertIdentity(headers, named);
    return isForItself ? { ...itself, asserted: named } : { asserted: named, from: "client" };
  }

  #ofClient(request: SipRequest, examined: Examined, flow: SocketFlow): RequestIdentity | Refusal {
    if (stripAssertions(request.headers)) this.#components.counters.add(IDENTITIES_REMOVED);
    const { method } = examined;
    // It is judged by its dialog.
    if (method === "NOTIFY") return { asserted: undefined, from: "client" };
    const { authenticator, domain } = this.#components;
    const result =
      authenticator === "none"
        ? believe(examined, domain)
        : authenticator.authenticate(request, isProxied(method) ? "proxy" : "registrar", flow);
    if (result.kind === "refused") return result.refusal;
    const problem = identityProblem(examined, result.aor, domain);
    if (problem !== undefined) return problem;
    // The credentials were for us; nobody further on is to see them (RFC 3261 §22.3).
    stripCredentials(request.headers, domain);
    assertIdentity(request.headers, result.aor);
    return { asserted: result.aor, from: "client", wasChallenged: result.wasChallenged };
  }

  #dispatch(incoming: IncomingRequest, examined: Examined, identity: RequestIdentity): void {
    const { services } = this.#components;
    const { target } = examined;
    switch (examined.method) {
      case "REGISTER":
        if (identity.from !== "client" && examined.to !== undefined && !incoming.request.headers.has("Contact"))
          return services.askRegistration(incoming, examined.to);
        if (identity.from !== "client" || identity.asserted === undefined) {
          return this.#refuse(incoming, { status: 403, reason: "Servers Do Not Register Users" });
        }
        return services.register(incoming, identity.asserted, identity);
      case "PUBLISH":
        return services.publish(incoming, identity);
      case "SUBSCRIBE":
        return services.subscribe(incoming, identity);
      case "NOTIFY":
        if (target.kind !== "user") return services.notify(incoming, identity);
        break;
      case "OPTIONS":
      case "MESSAGE":
      case "INVITE":
      case "other":
        if (target.kind === "contact" || target.kind === "session") {
          const { kind } = target;
          return this.#onward(incoming, identity, (on) => this.#toContact(on, kind, identity));
        }
        if (target.kind !== "user") return this.#unserved(incoming, identity, NOT_ALLOWED);
    }
    const { aor } = target;
    if (this.#components.isList(aor)) return this.#unserved(incoming, identity, ONLY_WATCHED);
    const serve = PROXIED[examined.method];
    this.#onward(incoming, identity, (on) => services[serve](on, identity, aor));
  }

  /** What waits for others, counted as long as it does. */
  #onward(incoming: IncomingRequest, identity: RequestIdentity, go: (counted: IncomingRequest) => void): void {
    const counted = this.#underWay.admit(incoming, partyOf(identity, incoming.flow));
    if (counted === undefined) this.#refuse(incoming, OVER_SHARE);
    else this.#answering(counted, () => go(counted));
  }

  /** A server of the mesh has found out whose device it is, and sends to that user. */
  #toContact(incoming: IncomingRequest, kind: "contact" | "session", identity: RequestIdentity): void {
    const { asserted, from } = identity;
    if (from !== "client" || asserted === undefined) return this.#refuse(incoming, NOT_A_RELAY);
    const { services } = this.#components;
    if (kind === "session") services.resume(incoming);
    else services.replace(incoming, { ...identity, asserted });
  }

  /** What has no device to go to. A SUBSCRIBE is told which packages there are. */
  #unserved(incoming: IncomingRequest, identity: RequestIdentity, refusal: Refusal): void {
    if (incoming.request.method === "SUBSCRIBE") this.#components.services.subscribe(incoming, identity);
    else this.#refuse(incoming, refusal);
  }

  /** @see RFC 3261 §11.2 */
  #answerOptions(incoming: IncomingRequest): void {
    const headers: [string, string][] = [
      ["Allow", ALLOW],
      ["Accept", "application/pidf+xml"],
      ["Accept-Encoding", "identity"],
      ["Allow-Events", ALLOW_EVENTS],
      ["Supported", SUPPORTED.join(", ")],
    ];
    const { stack, names } = this.#components;
    const contacts = contactsOfListeners(stack.listening(incoming.flow), names?.[0]);
    for (const contact of contacts) headers.push(["Contact", contact]);
    incoming.respond(createResponse(incoming.request, 200, { headers }));
  }

  #ownAddresses(): OwnAddresses {
    const { self, stack, names } = this.#components;
    const machine = this.#components.machine.all;
    if (this.#own?.machine !== machine)
      this.#own = { machine, addresses: ownAddresses(self, stack.listening(), machine, names) };
    return this.#own.addresses;
  }

  #refuse(incoming: IncomingRequest, { status, reason, headers, counter }: Refusal): void {
    if (counter !== undefined) this.#components.counters.add(counter);
    // RFC 3261 §17: an ACK is never answered, whatever is wrong with it.
    if (incoming.request.method === "ACK") return;
    this.#components.counters.add(`edge.refused.${status}`);
    incoming.respond(
      createResponse(incoming.request, status, { reason, ...(headers === undefined ? {} : { headers }) }),
    );
  }
}

/**
 * Within a subscription 480 would end it, and 500 does not; by 503 a client would leave its server, and a proxy would leave it with all of its clients.
 * @see RFC 5057 §5.1
 */
function outOfTime({ headers }: SipRequest): Refusal {
  return {
    status: hasTag(headers.get("To") ?? "") ? 500 : 480,
    reason: "Too Much To Do For One User",
    headers: [["Retry-After", String(limits.sip.retryAfterSeconds)]],
    counter: "federation.over_time",
  };
}

/** Whether a request may be on the way of a session: who sends it is known by its flow alone. */
function isOfSession({ method, headers }: SipRequest): boolean {
  if (method === "ACK" || !hasTag(headers.get("To") ?? "")) return false;
  return headers.has("Route") || headers.has(AORTA_CONTACT);
}

/** Without authentication: whoever From names, if of this domain. */
function believe(examined: Examined, domain: string): Authentication {
  return examined.from !== undefined && domainOf(examined.from) === domain
    ? { kind: "user", aor: examined.from }
    : { kind: "refused", refusal: { status: 403, reason: "Not A User Of This Domain" } };
}
