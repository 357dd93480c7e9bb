import type { Aor } from "../../dht-schema/aor.ts";
import { AORTA_CONTACT } from "../federation/aorta-headers.ts";
import { maxBreadthOf, shareBreadth } from "../federation/breadth.ts";
import { assertedIn } from "../federation/edge-identity.ts";
import { branchesOf, isSameFlow, toDevice } from "../federation/forward.ts";
import { LOOP_DETECTED, LOOPS } from "../federation/loops.ts";
import { likenessOf } from "../registrar/contact-index.ts";
import type { RegisteredContact, RegisteredContacts } from "../registrar/registered-contacts.ts";
import type { Counters } from "../runtime/metrics.ts";
import { createResponse } from "../sip/message/build.ts";
import type { SipRequest, SipResponse } from "../sip/message/message.ts";
import { areSameUris } from "../sip/message/uri.ts";
import type { Flow } from "../sip/stack.ts";

/** The copy of a request for one device, whose it is, and how it is registered. */
export interface Branch {
  readonly request: SipRequest;
  readonly aor: Aor;
  readonly device: RegisteredContact;
}

export interface BranchComponents {
  readonly contacts: Pick<RegisteredContacts, "contactsOf">;
  /** Whether a flow is from a server that speaks for its users without having a node. */
  readonly isTrusted: (flow: Flow) => boolean;
  readonly counters: Counters;
}

/**
 * The branches of a request to the devices of its user, at least one, each with its share of Max-Breadth; else the answer to it.
 * @param from the flow it came by
 * @see RFC 3261 §16.5, §16.6; RFC 5393 §5.3.3
 */
export function forkedTo(
  request: SipRequest,
  aor: Aor,
  from: Flow,
  { contacts: registered, isTrusted, counters }: BranchComponents,
): readonly Branch[] | SipResponse {
  // One socket is several users': of a telephone with several lines, of a proxy at the edge, of another server.
  const isSenders = ({ flow, path }: RegisteredContact) =>
    isSameFlow(flow, from) && path === undefined && assertedIn(request.headers) === aor && !isTrusted(from);
  const contacts = branchesOf(request, soughtOf(request, registered.contactsOf(aor)), isSenders);
  if ("status" in contacts) {
    if (contacts.status === LOOP_DETECTED.status) counters.add(LOOPS);
    return contacts;
  }
  const shares = shareBreadth(maxBreadthOf(request.headers) ?? 0, contacts.length);
  if (shares === undefined) return createResponse(request, 440);
  return contacts.map((contact, at) => {
    const branch = toDevice(request, contact);
    branch.headers.set("Max-Breadth", String(shares[at]));
    return { request: branch, aor, device: contact };
  });
}

/** All, or those that are most like the one Contact that the request is for: parameters, and the port, count where they tell apart. */
function soughtOf({ headers }: SipRequest, contacts: readonly RegisteredContact[]): readonly RegisteredContact[] {
  const sought = headers.get(AORTA_CONTACT);
  if (sought === undefined) return contacts;
  const very = contacts.filter(({ uri }) => areSameUris(uri, sought));
  if (very.length > 0) return very;
  const [same, near] = (["same", "near"] as const).map((likeness) =>
    contacts.filter(({ uri }) => likenessOf(uri, sought) === likeness),
  );
  return same!.length > 0 ? same! : near!;
}
