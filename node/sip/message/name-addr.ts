import { endOfQuoted, isUriText, quoteString, skipSpace, unquote } from "./lexical.ts";
import type { Params } from "./params.ts";
import { formatParams, NO_PARAMS, parseParams } from "./params.ts";
import { quote, SipParseError } from "./sip-parse-error.ts";
import { schemeOf } from "./uri.ts";

/** A value of From, To, Contact, Route, Record-Route, P-Asserted-Identity and the like. @see RFC 3261 §20.10 */
export interface NameAddr {
  /** Unquoted; empty where there is none. */
  readonly displayName: string;
  /** Raw: of any scheme. */
  readonly uri: string;
  /** Parameters of the header field, not of the URI. */
  readonly params: Params;
}

/**
 * `"Name" <uri>;params` or `uri;params`.
 * @throws {SipParseError} `BAD_ADDRESS`, `BAD_PARAMS`, `UNBALANCED_QUOTE`
 */
export function parseNameAddr(text: string): NameAddr {
  const start = skipSpace(text, 0);
  let displayName = "";
  let open: number;
  if (text.charCodeAt(start) === 0x22) {
    const end = endOfQuoted(text, start);
    displayName = unquote(text.slice(start, end));
    open = skipSpace(text, end);
    if (text.charCodeAt(open) !== 0x3c) throw bad(text);
  } else {
    open = text.indexOf("<", start);
    if (open < 0) return parseAddrSpec(text, start);
    displayName = text.slice(start, open).trim();
    // display-name = *(token LWS) / quoted-string: what would need quotes is a sign of a broken field.
    if (/[",;<>@:]/.test(displayName)) throw bad(text);
  }
  const close = text.indexOf(">", open);
  if (close < 0) throw bad(text);
  const uri = text.slice(open + 1, close);
  checkUri(uri, text);
  return { displayName, uri, params: parseParams(text, close + 1) };
}

/** Without angle brackets every parameter is the header's, and the URI holds no comma, question mark or semicolon (§20.10). */
function parseAddrSpec(text: string, start: number): NameAddr {
  let end = text.indexOf(";", start);
  if (end < 0) end = text.length;
  const uri = text.slice(start, end).trimEnd();
  if (/[,?]/.test(uri)) throw bad(text);
  checkUri(uri, text);
  return { displayName: "", uri, params: end === text.length ? NO_PARAMS : parseParams(text, end) };
}

function checkUri(uri: string, text: string): void {
  if (schemeOf(uri) === undefined || !isUriText(uri)) throw bad(text);
}

/** Inverse of {@link parseNameAddr}; always with angle brackets. */
export function formatNameAddr(address: { displayName?: string; uri: string; params?: Params }): string {
  const name = address.displayName ?? "";
  return `${name === "" ? "" : `${quoteString(name)} `}<${address.uri}>${formatParams(address.params ?? NO_PARAMS)}`;
}

function bad(text: string): SipParseError {
  return new SipParseError("BAD_ADDRESS", `malformed address: ${quote(text)}`);
}
