import type { Refusal } from "../federation/refusal.ts";

/** No majority of the directory, or no room, for now. */
export const RETRY_LATER: Refusal = { status: 503, reason: "Service Unavailable", headers: [["Retry-After", "5"]] };
/** More contacts than a user may have. */
export const TOO_MANY_CONTACTS: Refusal = { status: 403, reason: "Too Many Contacts" };
/** @see RFC 3261 §10.3 step 7 */
export const OUT_OF_ORDER: Refusal = { status: 500, reason: "CSeq Out Of Order" };
/** The disk fails. */
export const NOT_STORED: Refusal = { status: 500, reason: "Contacts Could Not Be Stored" };
/** A refresh of what was shed, or by policy. */
export const MOVED: Refusal = { status: 403, reason: "Registered On Another Server" };
