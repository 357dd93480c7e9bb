import type { Aor } from "../../dht-schema/aor.ts";
import { ForkAnswer } from "../federation/fork-answer.ts";
import { fromDevice, isFlowLost, localFailure, unreachable } from "../federation/forward.ts";
import type { DeviceDelivery } from "../federation/route-to-owner.ts";
import { createResponse } from "../sip/message/build.ts";
import type { SipRequest, SipResponse } from "../sip/message/message.ts";
import type { Flow, InviteProgress } from "../sip/stack.ts";
import type { Branch, BranchComponents } from "./branches.ts";
import { forkedTo } from "./branches.ts";
import type { ReachedAgainComponents } from "./reached-again.ts";
import { connectionOf, reachedAgain, reachedNow } from "./reached-again.ts";
import { TimerC } from "./timer-c.ts";
import { unlessSilent } from "./unless-silent.ts";

export interface InviteForkComponents extends Omit<BranchComponents, "contacts">, ReachedAgainComponents {
  /** Sends a branch so that what follows in its dialog comes by this server. */
  readonly invite: (branch: Branch, from: Flow, progress: Required<InviteProgress>) => Promise<SipResponse>;
}

/**
 * Rings all devices of a user at once: the first that answers has the session, the others are cancelled.
 * @see RFC 3261 §16.6 to §16.8, §16.10
 */
export function createInviteFork(components: InviteForkComponents): DeviceDelivery {
  return (request, aor, from, progress = {}) => {
    const branches = forkedTo(request, aor, from, components);
    if ("status" in branches) return Promise.resolve(branches);
    return new InviteFork(components, { request, aor, from }, progress).ring(branches);
  };
}

/** Reason of the CANCEL that a device gets when another has answered: it shows no missed call. @see RFC 3326 §2 */
const ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"';

class InviteFork {
  readonly #components: InviteForkComponents;
  readonly #request: SipRequest;
  readonly #aor: Aor;
  readonly #from: Flow;
  readonly #progress: InviteProgress;
  readonly #cancelAll = new AbortController();

  constructor(
    components: InviteForkComponents,
    { request, aor, from }: { readonly request: SipRequest; readonly aor: Aor; readonly from: Flow },
    progress: InviteProgress,
  ) {
    this.#components = components;
    this.#request = request;
    this.#aor = aor;
    this.#from = from;
    this.#progress = progress;
  }

  ring(branches: readonly Branch[]): Promise<SipResponse> {
    const { signal } = this.#progress;
    const cancelAll = () => this.#cancelAll.abort(signal?.reason);
    if (signal?.aborted === true) cancelAll();
    signal?.addEventListener("abort", cancelAll);
    const { promise, resolve } = Promise.withResolvers<SipResponse>();
    const answer = new ForkAnswer(branches.length);
    branches.forEach((branch) => {
      void this.#branch(branch).then((response) => {
        const isAnswered = isSuccess(response);
        // A device that declines for its user everywhere (6xx) ends the ringing as one that answers does: §16.7 step 5.
        if (isAnswered) this.#cancelAll.abort(ELSEWHERE);
        else if (response.status >= 600) this.#cancelAll.abort(`SIP;cause=${response.status}`);
        const final = answer.received(response);
        if (final !== undefined) {
          signal?.removeEventListener("abort", cancelAll);
          // What devices said before is of no use to who has given up, and no account of why it has ended.
          const isGivenUp = signal?.aborted === true && final.status >= 300 && final.status < 600;
          resolve(isGivenUp ? createResponse(this.#request, 487) : final);
        } else if (isAnswered) this.#progress.onSuccess?.(response);
      });
    });
    return promise;
  }

  async #branch(branch: Branch): Promise<SipResponse> {
    const { request, device } = branch;
    const { invite, timers, counters } = this.#components;
    const { onProvisional, onSuccess } = this.#progress;
    counters.add("session.branches");
    const giveUp = new AbortController();
    const abort = () => giveUp.abort(this.#cancelAll.signal.reason);
    if (this.#cancelAll.signal.aborted) abort();
    this.#cancelAll.signal.addEventListener("abort", abort);
    let isUnanswered = false;
    const timerC = new TimerC(timers, () => {
      isUnanswered = !giveUp.signal.aborted;
      abort();
    });
    const answer = invite(branch, this.#from, {
      signal: giveUp.signal,
      onProvisional: (provisional) => {
        // Nobody hears of what rings after its end.
        if (provisional.status === 100 || giveUp.signal.aborted) return;
        timerC.again();
        onProvisional?.(fromDevice(provisional));
      },
      onSuccess: (success) => onSuccess?.(fromDevice(success)),
      reachedAgain: (closed) => reachedAgain(this.#aor, device, closed, this.#components),
      reachedNow: () => {
        const flow = reachedNow(this.#aor, device, this.#components);
        return connectionOf(flow) === undefined ? undefined : flow;
      },
    });
    const late = (response: SipResponse): void => {
      if (isSuccess(response)) onSuccess?.(fromDevice(response));
    };
    const response = await unlessSilent({ invite: request, answer, giveUp: giveUp.signal, onLate: late }, timers);
    timerC.end();
    this.#cancelAll.signal.removeEventListener("abort", abort);
    // §16.8: its caller has not given up, and who would send the call elsewhere where nobody answers is to know.
    if (isUnanswered && response.status >= 300) return createResponse(this.#request, 408);
    switch (localFailure(response)) {
      case "not-sent":
      case "cut-off":
        return giveUp.signal.aborted ? createResponse(this.#request, 487) : unreachable(this.#request);
      case "timed-out":
        return createResponse(this.#request, giveUp.signal.aborted ? 487 : 408);
      case undefined:
        return isFlowLost(response) ? unreachable(this.#request) : fromDevice(response);
    }
  }
}

function isSuccess({ status }: SipResponse): boolean {
  return status >= 200 && status < 300;
}
