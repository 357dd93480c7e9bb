import type { SipHeaders } from "../sip/message/headers.ts";

/** @see RFC 3994 §6 */
const IS_COMPOSING = "application/im-iscomposing+xml";

/** Whether a message says only that somebody is writing one: later that is not so any more. @see RFC 3994 §3.2 */
export function isTypingNotice(headers: SipHeaders): boolean {
  return headers.get("Content-Type")?.split(";", 1)[0]?.trim().toLowerCase() === IS_COMPOSING;
}
