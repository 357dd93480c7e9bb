import { createHeaders } from "../message/headers.ts";
import { parseCSeq } from "../message/cseq.ts";
import type { SipRequest, SipResponse } from "../message/message.ts";

/** The ACK to a final response other than 2xx. @see RFC 3261 §17.1.1.3 */
export function acknowledgement(invite: SipRequest, response: SipResponse): SipRequest {
  return sameHop(invite, "ACK", response.headers.get("to") ?? "");
}

/** @see RFC 3261 §9.1, RFC 3326 */
export function cancellation(invite: SipRequest, reason: unknown): SipRequest {
  const cancel = sameHop(invite, "CANCEL", invite.headers.get("to") ?? "");
  if (typeof reason === "string") cancel.headers.append("Reason", reason);
  return cancel;
}

/** A request that follows an INVITE on its way through the next hop: same Request-URI, top Via, From, Call-ID, CSeq number and Route. */
function sameHop({ uri, headers: of }: SipRequest, method: "ACK" | "CANCEL", to: string): SipRequest {
  const headers = createHeaders([
    ["Via", of.all("via")[0] ?? ""],
    ["From", of.get("from") ?? ""],
    ["To", to],
    ["Call-ID", of.get("call-id") ?? ""],
    ["CSeq", `${parseCSeq(of.get("cseq") ?? "").sequence} ${method}`],
    ["Max-Forwards", "70"],
  ]);
  for (const route of of.all("route")) headers.append("Route", route);
  return { kind: "request", method, uri, headers, body: new Uint8Array(0) };
}
