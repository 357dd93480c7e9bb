import type { Aor } from "../../dht-schema/aor.ts";
import { tryParseAor } from "../../dht-schema/aor.ts";
import { hasTag } from "../sip/message/build.ts";
import { eventTypeIn } from "../sip/message/event.ts";
import type { SipRequest } from "../sip/message/message.ts";
import { parseContacts } from "../sip/message/contact.ts";
import { parseNameAddr } from "../sip/message/name-addr.ts";
import { SipParseError } from "../sip/message/sip-parse-error.ts";
import type { SipUri } from "../sip/message/uri.ts";
import { parseUri, tryParseUri } from "../sip/message/uri.ts";
import { maxBreadthOf } from "./breadth.ts";
import { maxForwardsOf } from "./forward.ts";
import { MESH_HOST } from "./own-addresses.ts";
import type { OwnAddresses } from "./own-addresses.ts";
import type { Refusal } from "./refusal.ts";
import { SESSION_METHODS } from "./session-methods.ts";
import { SERVED_EVENTS } from "./served-events.ts";

/** What this node serves outside of sessions, beside ACK and CANCEL. */
export const METHODS = ["REGISTER", "PUBLISH", "SUBSCRIBE", "NOTIFY", "MESSAGE", "OPTIONS", "INVITE"] as const;

/**
 * `other`: what this node knows nothing of, or nothing but that it is for a user's devices, such as REFER; a proxy passes it on.
 * @see RFC 3261 §16.3
 */
export type ServedMethod = (typeof METHODS)[number] | "other";

/** Methods of sessions, beside INVITE. @see RFC 3261 §12.2, §9, 3262, 3311, 6086 §3 */
const IN_SESSION: readonly string[] = ["ACK", "BYE", "CANCEL", "PRACK", "UPDATE", "INFO"];
/** Of methods by which servers of the mesh ask each other: no client's request may look like one. */
const BETWEEN_SERVERS = "AORTA-";

/** Value of Allow. @see RFC 3261 §20.5 */
export const ALLOW = [...METHODS, "ACK", "BYE", "CANCEL"].join(", ");

/** @see RFC 3261 §8.2.1 */
export const NOT_ALLOWED: Refusal = { status: 405, reason: "Method Not Allowed", headers: [["Allow", ALLOW]] };

/** To whom or what a request is. */
export type RequestTarget =
  /** A user of the domain. */
  | { readonly kind: "user"; readonly aor: Aor }
  /** To replace a session: the device that has it, at the Contact that is its Request-URI. */
  | { readonly kind: "contact" }
  /** Within a session whose way another server has recorded, which may be gone: the device at the Contact that is its Request-URI. */
  | { readonly kind: "session" }
  /** This node, or the domain as such. */
  | { readonly kind: "node" }
  /** Within a subscription: its dialog says what it is about, not the Request-URI. */
  | { readonly kind: "dialog" };

/** What is known of a request that passed the checks. */
export interface Examined {
  readonly kind: "examined";
  readonly method: ServedMethod;
  readonly target: RequestTarget;
  /** The user in From; `undefined` where it is not a SIP address of a user. */
  readonly from: Aor | undefined;
  /** The same of To. */
  readonly to: Aor | undefined;
}

/** A node serves its domain and relays to no other. */
export const NOT_A_RELAY: Refusal = { status: 403, reason: "Not A Relay To Other Domains" };

/** @see RFC 3261 §12.2.2 */
export const NO_SUCH_DIALOG: Refusal = { status: 481, reason: "Call/Transaction Does Not Exist" };

export interface ExaminationContext {
  /** Whether nobody could read or change the request on its last hop. */
  readonly secure: boolean;
  /** Whether it comes from a server of the domain, with a node or without one. */
  readonly fromServer: boolean;
  /** Lower case. */
  readonly domain: string;
  readonly own: OwnAddresses;
}

/**
 * Checks all about a request that needs neither its sender's identity nor its user's whereabouts. The stack has seen to it that
 * the mandatory fields are there and agree with each other; loops have been looked for.
 * @see RFC 3261 §8.2.1, §8.2.2, §16.3, §26.2.2
 */
export function examineRequest(
  request: SipRequest,
  context: ExaminationContext,
): Examined | ({ readonly kind: "refused" } & Refusal) {
  try {
    const isOff = isOffItsWay(request, context);
    const method = isOff || isForOthers(request) ? "other" : servedMethod(request.method);
    const isOfSession = method === "INVITE" || method === "other" || method === undefined;
    // What belongs to a session has followed its Route before it came to this.
    if (isOfSession && !isOff && hasTag(request.headers.get("To") ?? "")) return { kind: "refused", ...NO_SUCH_DIALOG };
    if (method === undefined) return { kind: "refused", ...NOT_ALLOWED };
    const examined = examineFields(request, method, { ...context, isOffItsWay: isOff });
    return "target" in examined ? { kind: "examined", method, ...examined } : { kind: "refused", ...examined };
  } catch (error) {
    if (error instanceof SipParseError)
      return refuse(error.status, error.status === 400 ? `Bad Request: ${error.message}` : error.message);
    throw error;
  }
}

/** @see isOffItsWay */
interface FieldContext extends ExaminationContext {
  readonly isOffItsWay: boolean;
}

function examineFields(
  request: SipRequest,
  method: ServedMethod,
  context: FieldContext,
): Pick<Examined, "target" | "from" | "to"> | Refusal {
  const { headers } = request;
  const from = headers.read("From", parseNameAddr) ?? parseNameAddr("");
  const to = headers.read("To", parseNameAddr) ?? parseNameAddr("");
  const toField = headers.get("To") ?? "";
  const uri = parseUri(request.uri);
  if (uri.scheme === "sips" && !context.secure) return { status: 403, reason: "SIPS Over An Insecure Transport" };
  const isInDialog = (method === "SUBSCRIBE" || method === "NOTIFY") && hasTag(toField);
  const target = targetOf(uri, request, method, isInDialog, context);
  // The dialogs of this node are subscriptions; one between others, whose way does not lead here, nobody here knows.
  if (method === "OPTIONS" && hasTag(toField) && !("kind" in target && target.kind === "node")) return NO_SUCH_DIALOG;
  if ("status" in target) return target;
  return (
    forwardsProblem(request, method, target, context) ??
    contactProblem(request, method, context) ??
    extensionProblem(request, target) ?? { target, from: tryParseAor(from.uri), to: tryParseAor(to.uri) }
  );
}

function targetOf(
  uri: SipUri,
  request: SipRequest,
  method: ServedMethod,
  isInDialog: boolean,
  context: FieldContext,
): RequestTarget | Refusal {
  const { domain, own, fromServer } = context;
  const { uri: text, headers } = request;
  const isDomain = uri.host === domain;
  // A server may tell devices what they have not subscribed to, such as that there is voice mail.
  const isUnasked = fromServer && isDomain && uri.user !== undefined;
  if (isInDialog || (method === "NOTIFY" && !isUnasked)) return { kind: "dialog" };
  if (context.isOffItsWay) return { kind: "session" };
  if (!isDomain && !own.isOwnUri(uri))
    // RFC 5589 §7: what is to replace a session has to reach the very device that has it, which the other end knows by its Contact alone.
    return method === "INVITE" && headers.has("Replaces") ? { kind: "contact" } : NOT_A_RELAY;
  const mayBeForNode = method === "OPTIONS" || method === "other";
  if (method === "REGISTER" || (mayBeForNode && uri.user === undefined)) return { kind: "node" };
  const aor = isDomain && uri.user !== undefined ? tryParseAor(text) : undefined;
  return aor === undefined ? { status: 404, reason: "No User Of That Address" } : { kind: "user", aor };
}

/** What only concerns requests that go on from here, to a device or to another server. @see RFC 3261 §16.3 step 3 */
function forwardsProblem(
  request: SipRequest,
  method: ServedMethod,
  target: RequestTarget,
  context: ExaminationContext,
): Refusal | undefined {
  const { own, domain } = context;
  const maxForwards = maxForwardsOf(request);
  if (maxForwards === undefined) return bad("malformed Max-Forwards");
  if (!isForDevices(target) || !isProxied(method)) return undefined;
  if (maxBreadthOf(request.headers) === undefined) return bad("malformed Max-Breadth");
  if (maxForwards === 0) return { status: 483, reason: "Too Many Hops" };
  // RFC 3261 §16.4: a Route that names this node has led here and is done; another would make it a relay.
  const routes = target.kind === "session" ? [] : request.headers.all("Route");
  for (const route of routes) {
    const uri = parseUri(parseNameAddr(route).uri);
    if (uri.host !== domain && !own.isOwnUri(uri)) return { status: 403, reason: "Not A Relay To Other Servers" };
  }
  return undefined;
}

/**
 * Whether a client's request is of a session to a device whose way another server has recorded, which may be gone.
 * @see RFC 3261 §12.2.1.1
 */
function isOffItsWay({ method, headers, uri }: SipRequest, { fromServer, domain, own }: ExaminationContext): boolean {
  if (fromServer || !SESSION_METHODS.has(method) || !hasTag(headers.get("To") ?? "")) return false;
  const [target, first] = [tryParseUri(uri), headers.all("Route")[0]];
  if (first === undefined || target === undefined || target.host === domain || own.isOwnUri(target)) return false;
  const by = parseUri(parseNameAddr(first).uri);
  return by.host !== MESH_HOST && !own.isOwnAddress(by);
}

function isForDevices({ kind }: RequestTarget): boolean {
  return kind === "user" || kind === "contact" || kind === "session";
}

/** Whether requests of a method go on to the devices of their user. */
export function isProxied(method: ServedMethod): boolean {
  return method !== "REGISTER" && method !== "PUBLISH" && method !== "SUBSCRIBE";
}

/** A contact that is this very node would make it send to itself. */
function contactProblem({ headers }: SipRequest, method: string, { own }: ExaminationContext): Refusal | undefined {
  if (method !== "REGISTER") return undefined;
  const contacts = parseContacts(headers);
  if (contacts === "*") return undefined;
  const isOwn = contacts.some(({ uri }) => {
    const parsed = tryParseUri(uri);
    return parsed !== undefined && own.isOwnUri(parsed);
  });
  return isOwn ? { status: 403, reason: "Contact Is This Server", counter: "federation.own_contacts" } : undefined;
}

/** Extensions of the registrar, and of subscriptions. @see RFC 3327, RFC 5626, RFC 4662, RFC 5367 */
export const SUPPORTED = ["path", "outbound", "eventlist", "recipient-list-subscribe"] as const;

/** Extensions that a request may require are those of what serves it here. @see RFC 3261 §8.2.2.3, §16.3 step 5 */
function extensionProblem({ headers, method }: SipRequest, target: RequestTarget): Refusal | undefined {
  // What a device has to support is its own affair.
  const isPassedOn = isForDevices(target) && method !== "SUBSCRIBE" && method !== "PUBLISH";
  const required = [
    ...headers.all("Proxy-Require"),
    ...(isPassedOn ? [] : headers.all("Require").filter((option) => !isSupported(option))),
  ];
  if (required.length === 0) return undefined;
  return { status: 420, reason: "Bad Extension", headers: [["Unsupported", required.join(", ")]] };
}

function isSupported(option: string): boolean {
  return (SUPPORTED as readonly string[]).includes(option.toLowerCase());
}

/** Whether a request would begin a subscription that this node does not serve. One that names no package is none. */
function isForOthers({ method, headers }: SipRequest): boolean {
  if (method !== "SUBSCRIBE" || hasTag(headers.get("To") ?? "")) return false;
  const type = eventTypeIn(headers);
  return type !== undefined && !SERVED_EVENTS.includes(type);
}

function servedMethod(method: string): ServedMethod | undefined {
  if ((METHODS as readonly string[]).includes(method)) return method as ServedMethod;
  // Methods are told apart by case (RFC 3261 §7.1), but not by every device: to one that takes `notify` for NOTIFY it is what only servers send.
  const known = method.toUpperCase();
  const isTaken = (METHODS as readonly string[]).includes(known) || IN_SESSION.includes(known);
  return isTaken || known.startsWith(BETWEEN_SERVERS) ? undefined : "other";
}

function bad(what: string): Refusal {
  return { status: 400, reason: `Bad Request: ${what}` };
}

function refuse(status: number, reason: string, headers?: Refusal["headers"]): { readonly kind: "refused" } & Refusal {
  return { kind: "refused", status, reason, ...(headers === undefined ? {} : { headers }) };
}
