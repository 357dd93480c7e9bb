import { ALLOW_EVENTS } from "../federation/served-events.ts";

/** A final answer to a request, as the pure readers and cores give it. */
export interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly headers?: ReadonlyArray<readonly [name: string, value: string]>;
}

/** The event package of users' state. @see RFC 3856 */
export const PRESENCE_EVENT = "presence";

/** Who watches a user. @see RFC 3857 */
export const WINFO_EVENT = "presence.winfo";
/** Which devices a user has registered. @see RFC 3680 */
export const REG_EVENT = "reg";

/** @see RFC 3903 §6 step 2 */
export const BAD_PUBLISH_EVENT: Answer = {
  status: 489,
  reason: "Bad Event",
  headers: [["Allow-Events", PRESENCE_EVENT]],
};

/** @see RFC 6665 §8.3.2 */
export const BAD_EVENT: Answer = { status: 489, reason: "Bad Event", headers: [["Allow-Events", ALLOW_EVENTS]] };

/** 400 that says what is wrong. The reason may quote the request: nothing of it can end the line. */
export function badRequest(reason: string): Answer {
  return { status: 400, reason: `Bad Request: ${reason.replace(/[^\x20-\x7e]/g, "?").slice(0, 120)}` };
}

/** 503 that says when to try again. */
export function unavailable(retryAfterSeconds: number): Answer {
  return { status: 503, reason: "Service Unavailable", headers: [["Retry-After", String(retryAfterSeconds)]] };
}

/** @see RFC 3261 §21.4.17 */
export function tooBrief(minSeconds: number): Answer {
  return { status: 423, reason: "Interval Too Brief", headers: [["Min-Expires", String(minSeconds)]] };
}
