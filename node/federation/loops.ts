import { crc32 } from "node:zlib";
import type { SipHeaders } from "../sip/message/headers.ts";
import { fieldsOf } from "../sip/message/headers.ts";
import type { SipRequest } from "../sip/message/message.ts";
import { parseNameAddr } from "../sip/message/name-addr.ts";
import { parseUri } from "../sip/message/uri.ts";
import { hasLoopPart, parseVia } from "../sip/message/via.ts";
import { AORTA_EPOCH } from "./aorta-headers.ts";
import type { OwnAddresses } from "./own-addresses.ts";
import type { Refusal } from "./refusal.ts";

/** Counts the requests that were found to go in circles, by whatever sign. */
export const LOOPS = "federation.loops";

/** @see RFC 3261 §21.4.20 */
export const LOOP_DETECTED: Refusal = { status: 482, reason: "Loop Detected", counter: LOOPS };

/**
 * What decides where a request goes from here, in short: one that comes back with another Request-URI, as call forwarding sends it, is on
 * a spiral, which its hops bound; one that comes back as it was is in a loop. The epoch is that of a user who may have moved back. It is
 * no secret and proves nothing: who would forge it can as well remove the Via that it is in.
 * @see RFC 5393 §4.2.1, RFC 3261 §16.6 step 8
 * @throws {SipParseError}
 */
export function loopPartOf({ uri, headers }: Pick<SipRequest, "uri" | "headers">): string {
  const epoch = headers.get(AORTA_EPOCH) ?? "";
  const decisive = headers.has("Route") ? [uri, epoch, ...namesInRoute(headers)].join("\n") : `${uri}\n${epoch}`;
  return crc32(decisive).toString(16).padStart(8, "0");
}

/** Each name once, and as it is meant: a way through the same servers again and again gets shorter, but leads nowhere new. */
function namesInRoute(headers: SipHeaders): readonly string[] {
  const routes = headers.all("Route");
  return [...new Set(routes.map((route) => parseUri(parseNameAddr(route).uri).user ?? ""))].toSorted();
}

/**
 * Whether a request has left this server before for the same reasons as it would now. No Via but the one that says so is taken apart: what
 * others have put there is not looked at, well-formed or not.
 * @see RFC 5393 §4.2.2, RFC 3261 §16.3 steps 1 and 4
 * @throws {SipParseError}
 */
export function isLoop(headers: SipHeaders, loopPart: string, own: OwnAddresses): boolean {
  // Nearly always there is no such sign in any of the fields, and they are not taken apart.
  if (!fieldsOf(headers).some(({ key, value }) => key === "via" && value.includes(loopPart))) return false;
  return headers.all("Via").some((text) => {
    if (!text.includes(loopPart)) return false;
    const via = parseVia(text);
    return hasLoopPart(via, loopPart) && own.isOwnVia(via);
  });
}
