import { limits } from "../runtime/limits.ts";
import type { Timers } from "../runtime/timers.ts";
import { createResponse } from "../sip/message/build.ts";
import type { SipRequest, SipResponse } from "../sip/message/message.ts";

export interface CancelledInvite {
  readonly invite: SipRequest;
  readonly answer: Promise<SipResponse>;
  /** Ends the ringing. */
  readonly giveUp: AbortSignal;
  /** Told of the answer where it comes too late. */
  readonly onLate: (response: SipResponse) => void;
}

/**
 * What a device answers to an INVITE, or 487 where it says nothing for a moment after the ringing was to end. Its transaction may last for another half minute
 * (RFC 3261 §9.1); a device that has lost its power, or its network, is not to keep the caller, and those that have answered, waiting for so long.
 */
export function unlessSilent(
  { invite, answer, giveUp, onLate }: CancelledInvite,
  timers: Timers,
): Promise<SipResponse> {
  const { promise, resolve } = Promise.withResolvers<SipResponse>();
  let isLate = false;
  let forget = (): void => {};
  const begin = (): void => {
    forget = timers.after(limits.session.cancelMs, () => {
      isLate = true;
      resolve(createResponse(invite, 487));
    });
  };
  if (giveUp.aborted) begin();
  else giveUp.addEventListener("abort", begin, { once: true });
  void answer.then((response) => {
    giveUp.removeEventListener("abort", begin);
    forget();
    if (isLate) onLate(response);
    else resolve(response);
  });
  return promise;
}
