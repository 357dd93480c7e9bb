import type { SipHeaders } from "./headers.ts";
import { isToken } from "./lexical.ts";
import type { Params } from "./params.ts";
import { formatParams, parseParams } from "./params.ts";
import { quote, SipParseError } from "./sip-parse-error.ts";

/** A value of Event: package with templates, and parameters. @see RFC 6665 §8.2.1 */
export interface Event {
  /** E.g. `presence`, `presence.winfo`; case matters. */
  readonly type: string;
  /** `id` tells subscriptions of one dialog apart. */
  readonly params: Params;
}

/** A value of Subscription-State. @see RFC 6665 §4.1.3 */
export interface SubscriptionState {
  /** `active`, `pending`, `terminated` or an extension; lower case. */
  readonly state: string;
  /** `reason`, `expires`, `retry-after`. */
  readonly params: Params;
}

/** @throws {SipParseError} `BAD_EVENT`, `BAD_PARAMS` */
export function parseEvent(text: string): Event {
  const { word, params } = parseWordAndParams(text);
  return { type: word, params };
}

/** The package that a request names; `undefined` where that is none, or more than one, or cannot be read. */
export function eventTypeIn(headers: SipHeaders): string | undefined {
  const [event, ...more] = headers.all("Event");
  if (event === undefined || more.length > 0) return undefined;
  try {
    return parseEvent(event).type;
  } catch (error) {
    if (error instanceof SipParseError) return undefined;
    throw error;
  }
}

/** @throws {SipParseError} `BAD_EVENT`, `BAD_PARAMS` */
export function parseSubscriptionState(text: string): SubscriptionState {
  const { word, params } = parseWordAndParams(text);
  return { state: word.toLowerCase(), params };
}

/** Inverse of {@link parseSubscriptionState}. */
export function formatSubscriptionState(value: SubscriptionState): string {
  return value.state + formatParams(value.params);
}

function parseWordAndParams(text: string): { word: string; params: Params } {
  const semicolon = text.indexOf(";");
  const word = (semicolon < 0 ? text : text.slice(0, semicolon)).trim();
  if (!isToken(word)) throw new SipParseError("BAD_EVENT", `malformed value: ${quote(text)}`);
  return { word, params: semicolon < 0 ? parseParams("", 0) : parseParams(text, semicolon) };
}
