import { maxBreadthOf, shareBreadth } from "../federation/breadth.ts";
import { branchesOf, toDevice } from "../federation/forward.ts";
import { LOOP_DETECTED, LOOPS } from "../federation/loops.ts";
import type { RegisteredContact } from "../registrar/registered-contacts.ts";
import type { Counters } from "../runtime/metrics.ts";
import { createResponse } from "../sip/message/build.ts";
import type { SipRequest, SipResponse } from "../sip/message/message.ts";
import type { Flow } from "../sip/stack.ts";

/** The copy of a request for one device, and the way there. */
export interface Branch {
  readonly request: SipRequest;
  readonly flow: Flow;
}

/**
 * The branches of a request to the devices of its user, at least one, each with its share of Max-Breadth; else the answer to it.
 * @param from the flow it came by
 * @see RFC 3261 §16.5, §16.6; RFC 5393 §5.3.3
 */
export function forkedTo(
  request: SipRequest,
  registered: readonly RegisteredContact[],
  from: Flow,
  counters: Counters,
): readonly Branch[] | SipResponse {
  const contacts = branchesOf(request, registered, from);
  if ("status" in contacts) {
    if (contacts.status === LOOP_DETECTED.status) counters.add(LOOPS);
    return contacts;
  }
  const shares = shareBreadth(maxBreadthOf(request.headers) ?? 0, contacts.length);
  if (shares === undefined) return createResponse(request, 440);
  return contacts.map((contact, at) => {
    const branch = toDevice(request, contact);
    branch.headers.set("Max-Breadth", String(shares[at]));
    return { request: branch, flow: contact.flow };
  });
}
