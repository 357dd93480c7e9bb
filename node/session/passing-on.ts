import { limits } from "../runtime/limits.ts";
import type { SipRequest, SipResponse } from "../sip/message/message.ts";
import type { IncomingRequest, InviteProgress } from "../sip/stack.ts";

/** Whether a request brings more than this server carries to a device. @see RFC 3261 §21.4.11 */
export function isTooLarge({ body }: SipRequest): boolean {
  return body.length > limits.session.bodyBytes;
}

/** An INVITE's provisional and further answers go back; its CANCEL goes on. */
export function followed(
  incoming: IncomingRequest,
  relay: (response: SipResponse) => void,
  cancelled: AbortController,
): InviteProgress & { readonly signal: AbortSignal } {
  incoming.onCancel((reason) => cancelled.abort(reason));
  return {
    signal: cancelled.signal,
    onProvisional: (response) => {
      // RFC 3261 §16.7 step 2: 100 is of one hop.
      if (response.status > 100) relay(response);
    },
    onSuccess: relay,
  };
}
