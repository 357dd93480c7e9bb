import { maxBreadthOf, shareBreadth } from "../federation/breadth.ts";
import { ForkAnswer } from "../federation/fork-answer.ts";
import { branchesOf, fromDevice, localFailure, toDevice, unreachable } from "../federation/forward.ts";
import { LOOP_DETECTED, LOOPS } from "../federation/loops.ts";
import type { DeviceDelivery } from "../federation/route-to-owner.ts";
import type { RegisteredContact, RegisteredContacts } from "../registrar/registered-contacts.ts";
import { limits } from "../runtime/limits.ts";
import type { Counters } from "../runtime/metrics.ts";
import { createResponse } from "../sip/message/build.ts";
import type { SipRequest, SipResponse } from "../sip/message/message.ts";
import type { Flow } from "../sip/stack.ts";

export interface DeviceForkComponents {
  /** Sends a branch that came by `from`; never rejects, and answers within the time. */
  readonly send: (
    branch: SipRequest,
    to: Flow,
    from: Flow,
    options: { readonly withinMs: number },
  ) => Promise<SipResponse>;
  readonly contacts: RegisteredContacts;
  readonly counters: Counters;
}

/**
 * Sends a request that is no INVITE to all devices of a user at once, each over the flow that it registered by, and answers with the
 * first success, or the best of what they answered.
 * @see RFC 3261 §16.6, §16.7; RFC 3428 §5
 */
export function createDeviceFork(components: DeviceForkComponents): DeviceDelivery {
  return (request, aor, from) => {
    const contacts = branchesOf(request, components.contacts.contactsOf(aor), from);
    if ("status" in contacts) {
      if (contacts.status === LOOP_DETECTED.status) components.counters.add(LOOPS);
      return Promise.resolve(contacts);
    }
    const shares = shareBreadth(maxBreadthOf(request.headers) ?? 0, contacts.length);
    return shares === undefined
      ? Promise.resolve(createResponse(request, 440))
      : fork(components, request, from, contacts, shares);
  };
}

function fork(
  components: DeviceForkComponents,
  request: SipRequest,
  from: Flow,
  contacts: readonly RegisteredContact[],
  breadths: readonly number[],
): Promise<SipResponse> {
  const { send, counters } = components;
  const { promise, resolve } = Promise.withResolvers<SipResponse>();
  const answer = new ForkAnswer(contacts.length);
  const { deliveryMs: withinMs } = limits.federation;
  for (const [at, contact] of contacts.entries()) {
    counters.add("federation.branches");
    const branch = toDevice(request, contact);
    branch.headers.set("Max-Breadth", String(breadths[at]));
    void send(branch, contact.flow, from, { withinMs }).then((response) => {
      // RFC 4320 §4.2: a 408 to a non-INVITE request is of no use to anybody.
      const isSilent = localFailure(response) !== undefined || response.status === 408;
      const final = answer.received(isSilent ? unreachable(request) : fromDevice(response));
      if (final !== undefined) resolve(final);
    });
  }
  return promise;
}
