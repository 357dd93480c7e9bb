import type { Aor } from "../../dht-schema/aor.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { Refusal } from "../federation/refusal.ts";
import { createResponse } from "../sip/message/build.ts";
import type { SipRequest, SipResponse } from "../sip/message/message.ts";
import { areSameUris } from "../sip/message/uri.ts";
import type { OrderResult } from "./apply-order.ts";
import type { Binding, RegisterOrder } from "./binding.ts";
import { formatContacts } from "./format-contacts.ts";
import type { Instant } from "./stored-binding.ts";

/** No majority of the directory, or no room, for now. */
export const RETRY_LATER: Refusal = { status: 503, reason: "Service Unavailable", headers: [["Retry-After", "5"]] };
/** Why an order cannot be applied. @see RFC 3261 §10.3 step 7 */
export const INAPPLICABLE: Readonly<Record<Exclude<OrderResult["kind"], "applied">, Refusal>> = {
  "out-of-order": { status: 500, reason: "CSeq Out Of Order" },
  "too-many-contacts": { status: 403, reason: "Too Many Contacts" },
};
/** The disk fails, and a Contact would be lost with this process. Clients go to another server of the domain, which a 500 would not make them do. @see RFC 3261 §21.5.4; RFC 3263 §4.3 */
export const NOT_STORED: Refusal = {
  status: 503,
  reason: "Contacts Could Not Be Stored",
  headers: [["Retry-After", "60"]],
};
/** Contacts that an operator wants to be gone would be back after a restart. */
export function notRemoved(aor: Aor): OperationalError {
  return new OperationalError("NOT_STORED", `the contacts of ${aor} stay: the database cannot be written at present`);
}
/** A refresh of what was shed, or by policy. */
export const MOVED: Refusal = { status: 403, reason: "Registered On Another Server" };

/** Refuses a REGISTER. */
export function refusal(request: SipRequest, { status, reason, headers = [] }: Refusal): SipResponse {
  return createResponse(request, status, { reason, headers });
}

/** 302 to where clients reach the owner; where that is not known, 403. @see RFC 3261 §21.3.3 */
export function redirection(addresses: readonly string[]): Refusal {
  if (addresses.length === 0) return MOVED;
  const headers = addresses.map((address) => ["Contact", address] as const);
  return { status: 302, reason: "Moved Temporarily", headers };
}

/** Many clients take the first Contact that looks like their own for it, and when that expires for when they do. */
function isTwinOfSender({ uri, callId }: Binding, order: RegisterOrder): boolean {
  if (order.kind !== "bind" || callId === order.callId) return false;
  return order.contacts.some((contact) => areSameUris(contact.uri, uri));
}

/** 200 to an order that was applied. @param bindings afterwards */
export function acceptance(
  request: SipRequest,
  order: RegisterOrder,
  bindings: readonly Binding[],
  now: Instant,
): SipResponse {
  const listed = bindings.filter((binding) => !isTwinOfSender(binding, order));
  const headers = formatContacts(listed, now.monotonicMs).map((value) => ["Contact", value] as [string, string]);
  if (order.kind === "bind") {
    // RFC 3327 §5.3, RFC 5626 §6
    for (const hop of order.path) headers.push(["Path", hop]);
    if (order.outbound) headers.push(["Require", "outbound"]);
  }
  headers.push(["Date", new Date(now.wallMs).toUTCString()]);
  return createResponse(request, 200, { headers });
}
