import { createHash } from "node:crypto";
import type { Aor } from "../../dht-schema/aor.ts";
import { tryParseAor } from "../../dht-schema/aor.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import { MESH_HOST } from "../federation/own-addresses.ts";
import type { RegisteredContacts } from "../registrar/registered-contacts.ts";
import type { FlowTokens } from "../sip/flow-tokens.ts";
import { parseContacts } from "../sip/message/contact.ts";
import { eventTypeIn } from "../sip/message/event.ts";
import type { SipHeaders } from "../sip/message/headers.ts";
import type { SipRequest } from "../sip/message/message.ts";
import { parseNameAddr } from "../sip/message/name-addr.ts";
import { areSameUris, formatUri, parseUri } from "../sip/message/uri.ts";
import { listenerOf } from "../sip/reachable-flow.ts";
import type { Flow, SocketFlow } from "../sip/stack.ts";
import { flowKey } from "../sip/stack.ts";
import type { WayTo } from "./other-end.ts";
import { nearestTo } from "./other-end.ts";

/** Between a token and what follows of who is in the session: no token has one. */
const BEFORE_WHO = ".";
/** In a URI, the parameter of a loose router. @see RFC 3261 §19.1.1 */
const LOOSE = /;lr(?:[;=]|$)/;
/** 84 bits, as few as a MAC may have: nobody finds another address that gives the same. */
const HASH_CHARS = 14;
/** After who is in the session, towards its caller: where the caller was registered when it began, if by another flow than this. */
const REGISTERED = "~";

export interface SessionRoutesComponents {
  readonly self: ServerId;
  readonly tokens: FlowTokens;
  readonly contacts: Pick<RegisteredContacts, "contactsOf">;
  /** Where the client of a flow reaches the listener that it came to: `sip:192.0.2.1:5060;transport=tcp`. */
  readonly addressFor: (flow: SocketFlow) => string;
}

/** An own Route, taken from the top of a request. */
type OwnRoute =
  | "mesh"
  | {
      readonly flow: SocketFlow;
      /** Whether From and To name who they named when the session began. */
      readonly isOfEnds: () => boolean;
      readonly to: WayToClient | undefined;
      /** The only method that may go there: the way is one of a subscription. */
      readonly only?: "NOTIFY" | "SUBSCRIBE";
    };

/** The client to which a way leads. */
interface WayToClient extends WayTo {
  /** Whether it has registered by a flow since the way was recorded, in which case that is where it is. */
  readonly isNewer: (registered: Flow) => boolean;
}

/** What a request is on the way of. */
export type Way =
  | {
      readonly of: "session";
      /** Whether From is who began or answered it, and To the other. */
      readonly isOfEnds: boolean;
      readonly to: WayToClient | undefined;
    }
  | {
      readonly of: "subscription";
      /** The method that alone may go on from here. */
      readonly only?: "NOTIFY" | "SUBSCRIBE";
      readonly to?: WayToClient | undefined;
    }
  /** Between two servers of the mesh, which know. */
  | { readonly of: "unknown"; readonly to?: never };

/**
 * The way of a session: each server that an INVITE passes names itself twice in Record-Route, towards where it came from and towards
 * where it goes, as the two may differ in transport. What follows in the dialog carries these names back in Route, and the second
 * says where it goes. The names of a subscription's way are good for its event package alone, and each for what goes that way: NOTIFY to who
 * has subscribed, SUBSCRIBE to who notifies. So nobody gets a NOTIFY that they have not asked for.
 * @see RFC 3261 §16.4, §16.6 step 4, §16.12; RFC 5658; RFC 5626 §5; RFC 6665 §4.3
 */
export class SessionRoutes {
  readonly #components: SessionRoutesComponents;

  constructor(components: SessionRoutesComponents) {
    this.#components = components;
  }

  /**
   * The request with both names of this server on top of Record-Route.
   * @param called whose device it goes to: To may name somebody else, or only a Contact
   */
  recorded(request: SipRequest, from: Flow, to: Flow, called?: Aor): SipRequest {
    const headers = request.headers.clone();
    const isSubscription = request.method === "SUBSCRIBE";
    const ends = endsOf(headers, "From");
    const contact = contactOf(headers);
    const [caller, who] = [
      ends + this.#registeredFor(headers, contact, from),
      called === undefined ? ends : ends + hashOf(called),
    ];
    const scopeOf = (only: "NOTIFY" | "SUBSCRIBE", told: string) =>
      isSubscription ? subscriptionOf(headers, "From", only, told) : sessionOf(headers, "From", told);
    // What goes back comes to the first of these, what goes forth to the device as it registered.
    const backward = withListener(from, contact, headers.all("Record-Route"));
    const forward = withListener(to, request.uri, headers.all("Route"));
    headers.prepend("Record-Route", this.#nameTowards(backward, scopeOf("NOTIFY", caller), caller));
    headers.prepend("Record-Route", this.#nameTowards(forward, scopeOf("SUBSCRIBE", who), who));
    return { ...request, headers };
  }

  /** Whether the way of a request was recorded by this server. @throws {SipParseError} */
  isRecorded(headers: SipHeaders, from: Flow): boolean {
    const [first] = headers.all("Route");
    if (first === undefined) return false;
    const own = this.#own(first, headers);
    // That this server is in the mesh, every client can say; that it was in a session's way, only who was told.
    return own !== undefined && (own !== "mesh" || from.transport === "MESH");
  }

  /**
   * The request as it was before a strict router, which has put a name of this server into the Request-URI, and what was there at the end of Route.
   * @throws {SipParseError}
   * @see RFC 3261 §16.4
   */
  loosened(request: SipRequest): SipRequest {
    const { uri } = request;
    const routes = request.headers.all("Route");
    const last = routes.at(-1);
    // Every name of ours has the parameter; most other URIs do not, and cost nothing more.
    if (last === undefined || !LOOSE.test(uri)) return request;
    const own = this.#own(`<${uri}>`, request.headers);
    if (own === undefined || own === "mesh") return request;
    const headers = request.headers.clone();
    headers.delete("Route");
    for (const route of [`<${uri}>`, ...routes.slice(0, -1)]) headers.append("Route", route);
    return { ...request, uri: parseNameAddr(last).uri, headers };
  }

  /** What this server's names on top of Route are for. The last of them says where the request goes, and so what may go there. @throws {SipParseError} */
  wayOf(headers: SipHeaders): Way {
    let way: Way = { of: "unknown" };
    for (const route of headers.all("Route")) {
      const own = this.#own(route, headers);
      if (own === undefined) return way;
      if (own !== "mesh")
        way =
          own.only === undefined
            ? { of: "session", isOfEnds: own.isOfEnds(), to: own.to }
            : { of: "subscription", only: own.only, to: own.to };
      // What may go to the other end, the server there knows.
      else if (way.of === "subscription") way = { of: "subscription" };
    }
    return way;
  }

  /** Takes this server's names off the top of Route, and says where the request goes; `undefined` where they do not say. @throws {SipParseError} */
  follow(headers: SipHeaders): Flow | undefined {
    let last: OwnRoute | undefined;
    for (;;) {
      const [first] = headers.all("Route");
      const own = first === undefined ? undefined : this.#own(first, headers);
      if (own === undefined) {
        // Who sends this has written its URI and the rest of Route: neither says where the other end is called.
        if (last !== "mesh") return last && { ...last.flow, calledAt: last.flow.calledAt ?? null };
        const server = first === undefined ? undefined : serverIn(first);
        return server === undefined ? undefined : { transport: "MESH", server };
      }
      last = own;
      headers.shift("Route");
    }
  }

  /** What a name towards the caller says of where they are registered: if that is by another flow than this, which is newer. */
  #registeredFor(headers: SipHeaders, contact: string | undefined, from: Flow): string {
    if (from.transport === "MESH" || contact === undefined) return REGISTERED;
    const aor = tryParseAor(parseNameAddr(headers.get("From") ?? "").uri);
    if (aor === undefined) return REGISTERED;
    const flows = this.#components.contacts
      .contactsOf(aor)
      .flatMap(({ uri, flow }) => (flow.transport !== "MESH" && areSameUris(uri, contact) ? [flow] : []));
    const registered = nearestTo(from, flows);
    const isElsewhere = registered !== undefined && flowKey(registered) !== flowKey(from);
    return isElsewhere ? REGISTERED + hashOf(flowKey(registered)) : REGISTERED;
  }

  #nameTowards(flow: Flow, scope: string, who: string): string {
    const { self, tokens, addressFor } = this.#components;
    if (flow.transport === "MESH") return `<sip:${self}@${MESH_HOST};lr>`;
    const address = parseUri(addressFor(flow));
    const user = `${tokens.tokenOf(flow, scope)}${BEFORE_WHO}${who}`;
    return `<${formatUri({ ...address, user, params: new Map([...address.params, ["lr", ""]]) })}>`;
  }

  #own(route: string, headers: SipHeaders): OwnRoute | undefined {
    const server = serverIn(route);
    if (server !== undefined) return server === this.#components.self ? "mesh" : undefined;
    const { user } = parseUri(parseNameAddr(route).uri);
    if (user === undefined) return undefined;
    const { tokens } = this.#components;
    const [token = "", who] = user.split(BEFORE_WHO, 2);
    const [ends, more] = [who?.slice(0, HASH_CHARS), who?.slice(HASH_CHARS)];
    const [called, formerly] = more?.startsWith(REGISTERED) ? [undefined, more.slice(REGISTERED.length)] : [more];
    // The caller, whose tag the token is bound to, is the one or the other end.
    for (const caller of ["From", "To"] as const) {
      const flow = tokens.flowOf(token, sessionOf(headers, caller, who));
      const towards = caller === "From" ? "callee" : "caller";
      const isOfEnds = () => ends === endsOf(headers, caller);
      // Who has called, and who was called under an earlier release or at another server, is named by To alone.
      const isTowards = (aor: Aor) =>
        called && towards === "callee" ? called === hashOf(aor) : isOfEnds() && aor === tryParseAor(toOf(headers));
      // What an earlier release has recorded does not say where its caller was registered.
      const isNewer = (now: Flow) =>
        towards === "callee" || (formerly !== undefined && formerly !== hashOf(flowKey(now)));
      const to = { isTowards, isNewer };
      if (flow !== undefined) return { flow, isOfEnds, to };
      if (!headers.has("Event")) continue;
      for (const only of ["NOTIFY", "SUBSCRIBE"] as const) {
        // By the other, each could have the other end obey what is for itself.
        const isItsWay = towards === (only === "NOTIFY" ? "caller" : "callee");
        const subscribed = tokens.flowOf(token, subscriptionOf(headers, caller, only, who));
        if (subscribed !== undefined)
          return {
            flow: subscribed,
            isOfEnds: () => false,
            to: isItsWay ? { ...to, isHereAlone: true } : undefined,
            only,
          };
      }
    }
    return undefined;
  }
}

function contactOf(headers: SipHeaders): string | undefined {
  const contacts = parseContacts(headers);
  return contacts === "*" ? undefined : contacts[0]?.uri;
}

/** The flow, and where its other end says itself that it listens, if it can be called there. */
function withListener(flow: Flow, contactUri: string | undefined, path: readonly string[]): Flow {
  if (flow.transport === "MESH" || contactUri === undefined) return flow;
  // All other flows are used as they are.
  if (flow.connection === undefined && flow.listensElsewhere !== true) return flow;
  const calledAt = listenerOf(contactUri, flow, path);
  return calledAt === undefined ? flow : { ...flow, calledAt };
}

/** What a way is good for: the dialog, by its Call-ID and the caller's tag, which is all that an INVITE knows of it. */
function dialogOf(headers: SipHeaders, caller: "From" | "To"): string {
  return `${headers.get("Call-ID") ?? ""}\n${dialogTag(headers, caller) ?? ""}`;
}

/**
 * What a way of a session is good for: the dialog, and what the name says of who is in it, which so cannot be changed. In a name of an earlier
 * release there is nothing of them.
 */
function sessionOf(headers: SipHeaders, caller: "From" | "To", who: string | undefined): string {
  return who === undefined ? dialogOf(headers, caller) : `${dialogOf(headers, caller)}\n${who}`;
}

/** Stands for the addresses of both, caller first, in one spelling each. @throws {SipParseError} */
function endsOf(headers: SipHeaders, caller: "From" | "To"): string {
  const named = (["From", "To"] as const).map((field) => {
    const { uri } = parseNameAddr(headers.get(field) ?? "");
    return tryParseAor(uri) ?? uri;
  });
  return hashOf((caller === "From" ? named : named.toReversed()).join("\n"));
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, HASH_CHARS);
}

function toOf(headers: SipHeaders): string {
  return parseNameAddr(headers.get("To") ?? "").uri;
}

/** What a way of a subscription is good for: its event package besides, and one method. */
function subscriptionOf(
  headers: SipHeaders,
  caller: "From" | "To",
  only: "NOTIFY" | "SUBSCRIBE",
  who: string | undefined,
): string {
  return `${sessionOf(headers, caller, who)}\n${only} ${eventTypeIn(headers) ?? ""}`;
}

/**
 * The tag as every device reads it. What is let through on a look alone, such as `;x=";tag=y"`, has none to the device, and begins
 * a session there.
 * @throws {SipParseError}
 */
export function dialogTag(headers: SipHeaders, of: "From" | "To"): string | undefined {
  return parseNameAddr(headers.get(of) ?? "").params.get("tag") || undefined;
}

function serverIn(route: string): ServerId | undefined {
  const { host, user } = parseUri(parseNameAddr(route).uri);
  return host === MESH_HOST ? (user as ServerId | undefined) : undefined;
}
