import type { SipHeaders } from "./headers.ts";

/** Whether a body is another than it says, until it is decoded. @see RFC 3261 §20.12 */
export function isEncoded(headers: SipHeaders): boolean {
  return headers.all("Content-Encoding").some((encoding) => encoding.trim().toLowerCase() !== "identity");
}
