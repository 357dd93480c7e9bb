import { tryParseUri } from "../sip/message/uri.ts";
import { isTranslated } from "../sip/transport/response-path.ts";
import type { DeviceOrigin } from "./device-origin.ts";

/** What tells twins apart: devices of one user with the same Contact, each behind a NAT of its own. */
export interface Twin {
  /** Contact URI as the client gave it. */
  readonly uri: string;
  readonly callId: string;
  /** `+sip.instance`, else empty. */
  readonly instance: string;
  readonly origin?: DeviceOrigin | undefined;
}

/**
 * Whether two registrations of equal Contacts are of two devices. Such a Contact is an address behind a NAT, so many devices have it: two phones can both be `sip:bob@192.168.1.5`, at home and
 * in an office. RFC 3261 §10.3 would have each throw the other out. One device keeps its Call-ID, and its instance (RFC 5626 §4.1) when it is started anew, whatever address its
 * NAT gives it; one without an instance is told by that address then.
 */
export function areTwins(a: Twin, b: Twin): boolean {
  if (a.callId === b.callId) return false;
  const [natOfA, natOfB] = [natOf(a), natOf(b)];
  if (natOfA === undefined || natOfB === undefined) return false;
  return a.instance !== "" && b.instance !== "" ? a.instance !== b.instance : natOfA !== natOfB;
}

/** The address at which a device is seen whose Contact names the one that it has itself, behind a NAT. */
function natOf({ uri, origin }: Twin): string | undefined {
  const [seenAt = "", sentBy = ""] = origin?.name.split(" ") ?? [];
  return isTranslated(sentBy, seenAt) && tryParseUri(uri)?.host === sentBy ? seenAt : undefined;
}
