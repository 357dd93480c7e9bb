import type { SipRequest } from "../message/message.ts";
import { parseCSeq } from "../message/cseq.ts";
import { tagOf } from "../message/build.ts";
import type { Via } from "../message/via.ts";
import { BRANCH_COOKIE } from "../message/via.ts";

/**
 * What the retransmissions of a request have in common, ACK to a non-2xx included. Not only the branch: some devices write the same one again, as when they
 * answer a challenge, and would hear the old answer again and again. A retransmission, and an ACK or CANCEL, have Call-ID and number of their request too.
 * @param method `INVITE` finds the transaction that an ACK or CANCEL is about
 * @see RFC 3261 §17.2.3, §9.1, §17.1.1.3
 */
export function serverTransactionKey(request: SipRequest, via: Via, method: string): string {
  const branch = via.params.get("branch") ?? "";
  const { headers } = request;
  const { sequence } = parseCSeq(headers.get("cseq") ?? "");
  const own = [branch, via.host, via.port ?? "", method, headers.get("call-id"), sequence];
  if (branch.startsWith(BRANCH_COOKIE) && branch.length > BRANCH_COOKIE.length) return joined(own);
  // An element of RFC 2543. The To tag is left out: the ACK has one, the INVITE has none.
  return joined([...own, request.uri, tagOf(headers.get("from") ?? "") ?? ""]);
}

/** `join` makes a string of its own: one put together by `+` would keep the text of the whole message in memory as long as the key. */
function joined(parts: readonly unknown[]): string {
  return parts.join("\n");
}
