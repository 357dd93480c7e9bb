import type { SipRequest } from "../sip/message/message.ts";

/** @see RFC 3994 §6 */
const IS_COMPOSING = "application/im-iscomposing+xml";
const CPIM = "message/cpim";
/** Of a CPIM message, as much as its fields may take: clients write a few hundred octets. */
const CPIM_FIELDS_BYTES = 8192;

/** Whether a message says only that somebody is writing one, in CPIM or not: later that is not so any more. @see RFC 3994 §3.2 */
export function isTypingNotice({ headers, body }: Pick<SipRequest, "headers" | "body">): boolean {
  const type = mediaType(headers.get("Content-Type"));
  return type === IS_COMPOSING || (type === CPIM && mediaType(contentTypeInCpim(body)) === IS_COMPOSING);
}

/** The fields of the message are in a block of their own; those of its content follow. @see RFC 3862 §2, §3.1 */
function contentTypeInCpim(body: Uint8Array): string | undefined {
  const text = Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, CPIM_FIELDS_BYTES)).toString(
    "latin1",
  );
  const [, ofContent = ""] = text.split(/\r?\n\r?\n/, 2);
  return /^content-type[ \t]*:(.*)/im.exec(ofContent)?.[1];
}

function mediaType(value: string | undefined): string | undefined {
  return value?.split(";", 1)[0]?.trim().toLowerCase();
}
