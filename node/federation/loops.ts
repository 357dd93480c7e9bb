import { limits } from "../runtime/limits.ts";
import type { SipHeaders } from "../sip/message/headers.ts";
import { parseVia } from "../sip/message/via.ts";
import type { OwnAddresses } from "./own-addresses.ts";
import type { Refusal } from "./refusal.ts";

/** Counts the requests that were found to go in circles, by whatever sign. */
export const LOOPS = "federation.loops";

/** @see RFC 3261 §21.4.20 */
export const LOOP_DETECTED: Refusal = { status: 482, reason: "Loop Detected", counter: LOOPS };

/**
 * Whether a request has passed this server more often than a user who moves explains.
 * @see RFC 3261 §16.3 step 4
 * @throws {SipParseError}
 */
export function isLoop(headers: SipHeaders, own: OwnAddresses): boolean {
  const { visits } = limits.federation;
  const vias = headers.all("Via");
  return vias.length > visits && vias.filter((via) => own.isOwnVia(parseVia(via))).length > visits;
}
