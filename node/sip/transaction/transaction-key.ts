import type { SipRequest } from "../message/message.ts";
import { parseCSeq } from "../message/cseq.ts";
import { tagOf } from "../message/build.ts";
import type { Via } from "../message/via.ts";
import { BRANCH_COOKIE } from "../message/via.ts";

/**
 * What the retransmissions of a request have in common, ACK to a non-2xx included.
 * @param method `INVITE` finds the transaction that an ACK or CANCEL is about
 * @see RFC 3261 §17.2.3
 */
export function serverTransactionKey(request: SipRequest, via: Via, method: string): string {
  const branch = via.params.get("branch");
  if (branch?.startsWith(BRANCH_COOKIE) === true && branch.length > BRANCH_COOKIE.length) {
    return joined([branch, via.host, via.port ?? "", method]);
  }
  // An element of RFC 2543. The To tag is left out: the ACK has one, the INVITE has none.
  const { headers } = request;
  const sequence = parseCSeq(headers.get("cseq") ?? "").sequence;
  const fromTag = tagOf(headers.get("from") ?? "") ?? "";
  return joined([
    method,
    request.uri,
    headers.get("call-id"),
    sequence,
    fromTag,
    via.host,
    via.port ?? "",
    branch ?? "",
  ]);
}

/** `join` makes a string of its own: one put together by `+` would keep the text of the whole message in memory as long as the key. */
function joined(parts: readonly unknown[]): string {
  return parts.join("\n");
}
