import type { ForkAnswerOptions } from "../federation/fork-answer.ts";
import { ForkAnswer } from "../federation/fork-answer.ts";
import { answerOfDevice } from "../federation/forward.ts";
import type { DeviceDelivery } from "../federation/route-to-owner.ts";
import { limits } from "../runtime/limits.ts";
import type { SipRequest, SipResponse } from "../sip/message/message.ts";
import type { Flow } from "../sip/stack.ts";
import type { Branch, BranchComponents } from "./branches.ts";
import { forkedTo } from "./branches.ts";

export interface DeviceForkComponents extends BranchComponents {
  /** Sends a branch that came by `from`; never rejects, and answers within the time. */
  readonly send: (branch: Branch, from: Flow, options: { readonly withinMs: number }) => Promise<SipResponse>;
}

/**
 * Sends a request that is no INVITE to all devices of a user at once, each over the flow that it registered by, and answers with the
 * first success, or the best of what they answered.
 * @see RFC 3261 §16.6, §16.7; RFC 3428 §5
 */
export function createDeviceFork(components: DeviceForkComponents, options?: ForkAnswerOptions): DeviceDelivery {
  return (request, aor, from) => {
    const branches = forkedTo(request, aor, from, components);
    if ("status" in branches) return Promise.resolve(branches);
    return fork(components, request, from, branches, new ForkAnswer(branches.length, options));
  };
}

function fork(
  components: DeviceForkComponents,
  request: SipRequest,
  from: Flow,
  branches: readonly Branch[],
  answer: ForkAnswer,
): Promise<SipResponse> {
  const { send, counters } = components;
  const { promise, resolve } = Promise.withResolvers<SipResponse>();
  const { deliveryMs: withinMs } = limits.federation;
  for (const branch of branches) {
    counters.add("federation.branches");
    void send(branch, from, { withinMs }).then((response) => {
      const final = answer.received(answerOfDevice(request, response));
      if (final !== undefined) resolve(final);
    });
  }
  return promise;
}
