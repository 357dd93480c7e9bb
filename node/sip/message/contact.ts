import type { SipHeaders } from "./headers.ts";
import { parseDecimal } from "./lexical.ts";
import type { NameAddr } from "./name-addr.ts";
import { parseNameAddr } from "./name-addr.ts";
import { quote, SipParseError } from "./sip-parse-error.ts";

/** A Contact value. @see RFC 3261 §20.10 */
export interface Contact extends NameAddr {
  /** The `expires` parameter, seconds. */
  readonly expiresSeconds?: number;
  /** 0–1000; 1000 where the parameter is absent. */
  readonly q: number;
  /** `+sip.instance` without its angle brackets. @see RFC 5626 §4.1 */
  readonly instance?: string;
  /** `reg-id`, 1 to 2^31 − 1. @see RFC 5626 §4.2 */
  readonly regId?: number;
}

/**
 * All contacts of a message, or `*`.
 * @throws {SipParseError} `BAD_CONTACT` when `*` is not alone, and what {@link parseNameAddr} throws
 */
export function parseContacts(headers: SipHeaders): readonly Contact[] | "*" {
  const values = headers.all("contact");
  if (!values.includes("*")) return values.map(parseContact);
  if (values.length > 1) throw new SipParseError("BAD_CONTACT", "Contact: * beside other contacts");
  return "*";
}

/** One Contact value that is not `*`. */
export function parseContact(text: string): Contact {
  const address = parseNameAddr(text);
  const expires = address.params.get("expires");
  const instance = address.params.get("+sip.instance");
  const regId = address.params.get("reg-id");
  return {
    ...address,
    q: parseQ(address.params.get("q")),
    // A malformed value counts as 3600 (§20.10), which is what an absent one gets from the registrar.
    ...(expires !== undefined && /^\d+$/.test(expires) ? { expiresSeconds: parseDeltaSeconds(expires) } : undefined),
    ...(regId === undefined ? undefined : { regId: parseRegId(regId) }),
    ...(instance === undefined ? undefined : { instance: instance.replace(/^<|>$/g, "") }),
  };
}

function parseQ(text: string | undefined): number {
  if (text === undefined) return 1000;
  if (!/^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text))
    throw new SipParseError("BAD_CONTACT", `malformed q: ${quote(text)}`);
  return Math.round(Number(text) * 1000);
}

function parseRegId(text: string): number {
  const regId = parseDecimal(text, 2 ** 31 - 1, "reg-id");
  if (regId === 0) throw new SipParseError("BAD_CONTACT", "reg-id 0");
  return regId;
}

/**
 * A time in seconds, as Expires, Min-Expires and `expires` hold it; above 2^32−1 it counts as that.
 * @throws {SipParseError} `BAD_NUMBER`
 * @see RFC 3261 §20.19
 */
export function parseDeltaSeconds(text: string): number {
  return Math.min(parseDecimal(text.trim(), Number.POSITIVE_INFINITY, "seconds"), 2 ** 32 - 1);
}

/** The Expires header field in seconds; `undefined` when absent. @throws {SipParseError} `BAD_NUMBER` */
export function expiresOf(headers: SipHeaders): number | undefined {
  const value = headers.get("expires");
  return value === undefined ? undefined : parseDeltaSeconds(value);
}
