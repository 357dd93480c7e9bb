import type { Epoch } from "../../dht-schema/ballot.ts";
import { formatBallot } from "../../dht-schema/ballot.ts";
import type { SipRequest, SipResponse } from "../sip/message/message.ts";
import { createResponse } from "../sip/message/build.ts";
import { formatUri, schemeOf, tryParseUri } from "../sip/message/uri.ts";
import type { Flow } from "../sip/stack.ts";
import { AORTA_LOCAL, isSecure, LOCAL_CUT_OFF } from "../sip/stack.ts";
import { isUnsigned } from "./anonymity.ts";
import { AORTA_EPOCH, AORTA_NOBODY, stripAortaHeaders } from "./aorta-headers.ts";
import { stripAssertions } from "./edge-identity.ts";

const MAX_FORWARDS = 70;

/** Hops a request may still take; 70 where the field is absent, `undefined` where it is malformed. @see RFC 3261 §20.22 */
export function maxForwardsOf(request: SipRequest): number | undefined {
  const text = request.headers.get("Max-Forwards")?.trim() ?? String(MAX_FORWARDS);
  return /^\d+$/.test(text) && Number(text) <= 255 ? Number(text) : undefined;
}

/** The copy that goes to the server which owns the user. @see RFC 3261 §16.6 */
export function toServer(request: SipRequest, epoch: Epoch): SipRequest {
  const copy = forwarded(request);
  copy.headers.set(AORTA_EPOCH, formatBallot(epoch));
  return copy;
}

/**
 * The copy that goes to a device: its Contact becomes the Request-URI (RFC 3261 §16.5), the path to it the Route (RFC 3327 §5.2), and
 * what only servers may see is removed. Who does not want to be known is not named.
 */
export function toDevice(
  request: SipRequest,
  { uri, path = [] }: { readonly uri: string; readonly path?: readonly string[] },
): SipRequest {
  const copy = { ...forwarded(request), uri: requestUriOf(uri) };
  for (const hop of path) copy.headers.append("Route", hop);
  stripAortaHeaders(copy.headers);
  if (isUnsigned(copy.headers)) copy.headers.delete("P-Asserted-Identity");
  return copy;
}

/**
 * The response of a device without what only servers may say: that is 503, too, by which a client would take this server for overloaded, and
 * leave it for another.
 * @see RFC 3325 §9.1, RFC 3261 §16.7 step 6
 */
export function fromDevice({ status, reason, ...response }: SipResponse): SipResponse {
  const said = status === 503 ? { status: 500, reason: "Device Unavailable" } : { status, reason };
  const copy = { ...response, ...said, headers: response.headers.clone() };
  stripAssertions(copy.headers);
  return copy;
}

/**
 * The devices that a request for their user goes to, at least one; else the answer to it. Who writes to themselves has no copy on the
 * device that they write with, what was promised to be secured goes only to who registered with that promise, and of the flows of one
 * device only the one registered last is used.
 * @param isSenders whether a contact is the very device that the request is from
 * @see RFC 3261 §16.5; RFC 5626 §7; RFC 5630 §5.3, §6.1
 */
export function branchesOf<Contact extends DeviceContact>(
  request: SipRequest,
  contacts: readonly Contact[],
  isSenders: (contact: Contact) => boolean,
): readonly Contact[] | SipResponse {
  if (contacts.length === 0) return nobody(unreachable(request));
  const eligible =
    schemeOf(request.uri) === "sips"
      ? contacts.filter(({ uri, flow }) => schemeOf(uri) === "sips" && isSecure(flow))
      : contacts;
  if (eligible.length === 0) return createResponse(request, 480, { headers: [["Warning", NOT_SECURED]] });
  const others = eligible.filter(
    (contact, at) => !isSenders(contact) && !eligible.slice(at + 1).some((later) => isSameDevice(contact, later)),
  );
  // The sender's own device is the only one there is.
  return others.length === 0 ? nobody(createResponse(request, 482)) : others;
}

interface DeviceContact {
  readonly uri: string;
  readonly flow: Flow;
  readonly instance?: string;
  readonly regId?: number;
}

function isSameDevice(a: DeviceContact, b: DeviceContact): boolean {
  return a.regId !== undefined && b.regId !== undefined && a.instance === b.instance;
}

const NOT_SECURED = '380 aorta "SIPS Not Allowed: no device of this user is registered with SIPS"';

/** Marks the answer where there is no device to ask. */
function nobody(response: SipResponse): SipResponse {
  response.headers.set(AORTA_NOBODY, "1");
  return response;
}

/** The answer where a user's devices cannot be reached now. */
export function unreachable(request: SipRequest): SipResponse {
  return createResponse(request, 480, { headers: [["Retry-After", "30"]] });
}

/** Whether two flows have the same other end. */
export function isSameFlow(a: Flow, b: Flow): boolean {
  if (a.transport === "MESH" || b.transport === "MESH") return false;
  return a.transport === b.transport && a.address === b.address && a.port === b.port;
}

/** What came of sending a request: the stack marks the answers that it made up itself. */
export function localFailure(response: SipResponse): "not-sent" | "cut-off" | "timed-out" | undefined {
  const mark = response.headers.get(AORTA_LOCAL);
  if (mark === undefined) return undefined;
  if (response.status === 408) return "timed-out";
  return mark === LOCAL_CUT_OFF ? "cut-off" : "not-sent";
}

/** What the sender of a request that is no INVITE hears of a device's answer: one that is silent, or overloaded (RFC 3261 §21.5.4), takes it later, and so does one whose proxy has lost its connection. */
export function answerOfDevice(request: SipRequest, response: SipResponse): SipResponse {
  const isForNow = isSilent(response) || isFlowLost(response) || response.status === 503;
  return isForNow ? unreachable(request) : fromDevice(response);
}

/** Whether a proxy has no connection to its client any more, who has not got the request. 477 is what Kamailio says, and of a WebSocket 500 as below. @see RFC 5626 §5.3 */
export function isFlowLost({ status, reason }: SipResponse): boolean {
  return status === 430 || status === 477 || (status === 500 && KAMAILIO_CANNOT_SEND.test(reason));
}

/** What Kamailio could not send on, and no device has refused: `No error (2/SL)`. */
const KAMAILIO_CANNOT_SEND = / \(\d+\/(?:SL|TM)\)$/;

/** Whether a device has not answered a request that is no INVITE. RFC 4320 §4.2: a 408 to that is of no use to anybody. */
export function isSilent(response: SipResponse): boolean {
  return localFailure(response) !== undefined || response.status === 408;
}

function forwarded(request: SipRequest): SipRequest {
  const headers = request.headers.clone();
  headers.set("Max-Forwards", String(Math.max((maxForwardsOf(request) ?? MAX_FORWARDS) - 1, 0)));
  // RFC 3261 §16.4: the edge has seen to it that every Route led here.
  headers.delete("Route");
  return { ...request, headers };
}

/** RFC 3261 §19.1.1: a Request-URI has no headers and no method. */
function requestUriOf(contactUri: string): string {
  if (!contactUri.includes("?") && !/;method=/i.test(contactUri)) return contactUri;
  const uri = tryParseUri(contactUri);
  if (uri === undefined) return contactUri;
  return formatUri({ ...uri, headers: [], params: new Map([...uri.params].filter(([name]) => name !== "method")) });
}
