import { ProtocolError } from "../../runtime/errors.ts";
import { tagOf } from "../../sip/message/build.ts";
import { expiresOf, parseContacts } from "../../sip/message/contact.ts";
import { parseCSeq } from "../../sip/message/cseq.ts";
import { parseEvent } from "../../sip/message/event.ts";
import type { SipHeaders } from "../../sip/message/headers.ts";
import type { SipRequest } from "../../sip/message/message.ts";
import type { Answer } from "../answer.ts";
import { BAD_EVENT, badRequest, PRESENCE_EVENT } from "../answer.ts";
import { PIDF_CONTENT_TYPE } from "../pidf/pidf-document.ts";

/** What a SUBSCRIBE asks for, and what its dialog needs. */
export interface SubscribeRequest {
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
}

const NOT_ACCEPTABLE: Answer = { status: 406, reason: "Not Acceptable", headers: [["Accept", PIDF_CONTENT_TYPE]] };

/**
 * Reads a SUBSCRIBE to presence, or says what to answer it with.
 * @see RFC 6665 §4.2.1.1, RFC 3856 §6.5 (PIDF is what is sent without Accept)
 */
export function readSubscribe(request: SipRequest): SubscribeRequest | { readonly refuse: Answer } {
  try {
    return read(request);
  } catch (error) {
    // What the stack lets through is well-formed as a message; a single field can still be malformed.
    if (error instanceof ProtocolError) return { refuse: badRequest(error.message) };
    throw error;
  }
}

function read({ headers }: SipRequest): SubscribeRequest | { readonly refuse: Answer } {
  const event = headers.get("Event");
  const { type, params } = event === undefined ? { type: "", params: undefined } : parseEvent(event);
  if (type !== PRESENCE_EVENT) return { refuse: BAD_EVENT };
  if (!acceptsPidf(headers)) return { refuse: NOT_ACCEPTABLE };
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
  const expiresSeconds = expiresOf(headers);
  const eventId = params?.get("id");
  return {
    callId: headers.get("Call-ID") ?? "",
    cseq: parseCSeq(headers.get("CSeq") ?? "").sequence,
    remoteTag,
    ...(localTag === undefined ? {} : { localTag }),
    from,
    to,
    ...(remoteTarget === undefined ? {} : { remoteTarget }),
    routeSet: headers.all("Record-Route"),
    ...(expiresSeconds === undefined ? {} : { expiresSeconds }),
    ...(eventId === undefined ? {} : { eventId }),
  };
}

function acceptsPidf(headers: SipHeaders): boolean {
  const types = headers.all("Accept").map((value) => value.split(";", 1)[0]?.trim().toLowerCase());
  return (
    types.length === 0 || types.some((type) => type === PIDF_CONTENT_TYPE || type === "application/*" || type === "*/*")
  );
}
