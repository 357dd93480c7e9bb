import { cpimContent, mediaType } from "../sip/message/cpim.ts";
import type { SipRequest } from "../sip/message/message.ts";

/** @see RFC 3994 §6 */
const IS_COMPOSING = "application/im-iscomposing+xml";

/** Whether a message says only that somebody is writing one, in CPIM or not: later that is not so any more. @see RFC 3994 §3.2 */
export function isTypingNotice({ headers, body }: Pick<SipRequest, "headers" | "body">): boolean {
  const type = mediaType(headers.get("Content-Type") ?? "");
  if (type !== "message/cpim") return type === IS_COMPOSING;
  const content = cpimContent(body);
  return content !== undefined && mediaType(content.contentType) === IS_COMPOSING;
}
