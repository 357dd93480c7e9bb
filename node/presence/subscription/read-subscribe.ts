import type { Aor } from "../../../dht-schema/aor.ts";
import { ProtocolError } from "../../runtime/errors.ts";
import { limits } from "../../runtime/limits.ts";
import { tagOf } from "../../sip/message/build.ts";
import { isEncoded } from "../../sip/message/content-encoding.ts";
import { expiresOf, parseContacts } from "../../sip/message/contact.ts";
import { parseCSeq } from "../../sip/message/cseq.ts";
import { parseEvent } from "../../sip/message/event.ts";
import type { SipHeaders } from "../../sip/message/headers.ts";
import type { SipRequest } from "../../sip/message/message.ts";
import type { Answer } from "../answer.ts";
import { BAD_EVENT, badRequest, PRESENCE_EVENT, REG_EVENT, WINFO_EVENT } from "../answer.ts";
import { EVENTLIST, RECIPIENT_LIST } from "../lists/extensions.ts";
import { parseResourceLists, RESOURCE_LISTS_CONTENT_TYPE } from "../lists/resource-lists.ts";
import { PIDF_CONTENT_TYPE } from "../pidf/pidf-document.ts";
import { documentRefused, firstToken, UNSUPPORTED_ENCODING } from "../publication/read-publish.ts";
import { REGINFO_CONTENT_TYPE } from "../registrations/reginfo-document.ts";
import { WATCHERINFO_CONTENT_TYPE } from "../watcherinfo/watcherinfo-document.ts";
import { readMaxRate } from "./notify-rate.ts";

/** What a SUBSCRIBE asks for, and what its dialog needs. */
export interface SubscribeRequest {
  /** Event package. */
  readonly event: EventName;
  readonly callId: string;
  readonly cseq: number;
  /** The subscriber's, in From. */
  readonly remoteTag: string;
  /** Ours, in To: the request is within a dialog. */
  readonly localTag?: string;
  /** From and To as they stand. */
  readonly from: string;
  readonly to: string;
  /** URI of Contact: where NOTIFY goes. Absent only within a dialog. */
  readonly remoteTarget?: string;
  /** Record-Route, in the order in which NOTIFY takes it as Route. @see RFC 3261 §12.1.1 */
  readonly routeSet: readonly string[];
  readonly expiresSeconds?: number;
  /** `id` of Event, which NOTIFY repeats. @see RFC 6665 §8.2.1 */
  readonly eventId?: string;
  /** Least time between two NOTIFYs that the subscriber wishes, ms. @see RFC 6446 §5 */
  readonly minIntervalMs?: number;
  /** The entity-tag of the state that the subscriber has, or `*`. @see RFC 5839 §5.2 */
  readonly suppressIfMatch?: string;
  /** Whether the subscriber can make use of NOTIFYs for a list. @see RFC 4662 §4.1 */
  readonly supportsLists: boolean;
  /** Whom to watch, when the request itself says so. @see RFC 5367 */
  readonly members?: readonly Aor[];
}

/** The documents of each package, the first one the one that is sent. */
const DOCUMENTS = {
  [PRESENCE_EVENT]: PIDF_CONTENT_TYPE,
  [WINFO_EVENT]: WATCHERINFO_CONTENT_TYPE,
  [REG_EVENT]: REGINFO_CONTENT_TYPE,
} as const;

export type EventName = keyof typeof DOCUMENTS;

/**
 * Reads a SUBSCRIBE, or says what to answer it with.
 * @see RFC 6665 §4.2.1.1, RFC 3856 §6.5 (PIDF is what is sent without Accept)
 */
export function readSubscribe(request: SipRequest): SubscribeRequest | { readonly refuse: Answer } {
  try {
    return read(request);
  } catch (error) {
    // What the stack lets through is well-formed as a message; a single field can still be malformed.
    if (error instanceof ProtocolError) return { refuse: documentRefused(error) };
    throw error;
  }
}

function read(request: SipRequest): SubscribeRequest | { readonly refuse: Answer } {
  const { headers } = request;
  const field = headers.get("Event");
  const { type, params } = field === undefined ? { type: "", params: undefined } : parseEvent(field);
  if (!isServed(type)) return { refuse: BAD_EVENT };
  const contentType = DOCUMENTS[type];
  if (!accepts(headers, contentType))
    return { refuse: { status: 406, reason: "Not Acceptable", headers: [["Accept", contentType]] } };
  const from = headers.get("From") ?? "";
  const to = headers.get("To") ?? "";
  const remoteTag = tagOf(from);
  if (remoteTag === undefined) return { refuse: badRequest("From has no tag") };
  const localTag = tagOf(to);
  const contacts = parseContacts(headers);
  const remoteTarget = contacts === "*" ? undefined : contacts[0]?.uri;
  // RFC 3261 §12.1.1: a request that makes a dialog has exactly one Contact.
  if (contacts === "*" || contacts.length > 1 || (remoteTarget === undefined && localTag === undefined))
    return { refuse: badRequest("SUBSCRIBE needs one Contact") };
  const members = readMembers(request);
  if (members !== undefined && "refuse" in members) return members;
  const expiresSeconds = expiresOf(headers);
  const eventId = params?.get("id");
  const minIntervalMs = readMaxRate(params?.get("max-rate"));
  const suppressIfMatch = headers.get("Suppress-If-Match")?.trim();
  const callId = headers.get("Call-ID") ?? "";
  const routeSet = headers.all("Record-Route");
  const kept = [from, to, callId, remoteTarget, eventId, suppressIfMatch, ...routeSet].join("");
  if (Buffer.byteLength(kept) > limits.presence.dialogBytes)
    return { refuse: badRequest("addresses, tags and routes are too long to be kept") };
  return {
    event: type,
    callId,
    cseq: parseCSeq(headers.get("CSeq") ?? "").sequence,
    remoteTag,
    ...(localTag === undefined ? {} : { localTag }),
    from,
    to,
    ...(remoteTarget === undefined ? {} : { remoteTarget }),
    routeSet,
    ...(expiresSeconds === undefined ? {} : { expiresSeconds }),
    ...(eventId === undefined ? {} : { eventId }),
    ...(minIntervalMs === undefined ? {} : { minIntervalMs }),
    ...(suppressIfMatch === undefined ? {} : { suppressIfMatch }),
    supportsLists: hasOption(headers, "Supported", EVENTLIST) || hasOption(headers, "Require", EVENTLIST),
    ...(members === undefined ? {} : { members: members.members }),
  };
}

/** The list that the request brings. A body of another kind has no meaning here. @see RFC 5367 §4, §6 */
function readMembers({
  headers,
  body,
}: SipRequest): { readonly members: readonly Aor[] } | { readonly refuse: Answer } | undefined {
  const isRequired = hasOption(headers, "Require", RECIPIENT_LIST);
  if (body.length === 0) return isRequired ? { refuse: badRequest("there is no list") } : undefined;
  const type = firstToken(headers.get("Content-Type"))?.toLowerCase();
  if (type !== RESOURCE_LISTS_CONTENT_TYPE) {
    if (!isRequired) return undefined;
    return {
      refuse: {
        status: 415,
        reason: "Unsupported Media Type",
        headers: [["Accept", RESOURCE_LISTS_CONTENT_TYPE]],
      },
    };
  }
  if (isEncoded(headers)) return { refuse: UNSUPPORTED_ENCODING };
  return { members: parseResourceLists(body) };
}

function isServed(type: string): type is EventName {
  return Object.hasOwn(DOCUMENTS, type);
}

function hasOption(headers: SipHeaders, field: string, option: string): boolean {
  return headers.all(field).some((value) => value.trim().toLowerCase() === option);
}

function accepts(headers: SipHeaders, contentType: string): boolean {
  const types = headers.all("Accept").map((value) => firstToken(value)?.toLowerCase());
  return types.length === 0 || types.some((type) => type === contentType || type === "application/*" || type === "*/*");
}
