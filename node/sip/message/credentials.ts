import { endOfQuoted, isBareValue, isToken, quoteString, skipSpace, unquote } from "./lexical.ts";
import type { Params } from "./params.ts";
import { quote, SipParseError } from "./sip-parse-error.ts";

/** A value of Authorization, WWW-Authenticate and their Proxy- forms. @see RFC 3261 §20.7, §20.44 */
export interface Credentials {
  /** Lower case: `digest`. */
  readonly scheme: string;
  /** Names in lower case, values unquoted. */
  readonly params: Params;
}

/**
 * @throws {SipParseError} `BAD_CREDENTIALS`
 * @see RFC 7616 §3.3, §3.4
 */
export function parseCredentials(text: string): Credentials {
  const start = skipSpace(text, 0);
  let at = text.indexOf(" ", start);
  if (at < 0) throw bad(text);
  const scheme = text.slice(start, at);
  if (!isToken(scheme)) throw bad(text);
  const params = new Map<string, string>();
  while (at < text.length) {
    at = skipSpace(text, at);
    const equals = text.indexOf("=", at);
    if (equals < 0) throw bad(text);
    const name = text.slice(at, equals).trim().toLowerCase();
    if (!isToken(name) || params.has(name)) throw bad(text);
    at = skipSpace(text, equals + 1);
    let end: number;
    if (text.charCodeAt(at) === 0x22) {
      end = endOfQuoted(text, at);
      params.set(name, unquote(text.slice(at, end)));
    } else {
      end = text.indexOf(",", at);
      if (end < 0) end = text.length;
      const value = text.slice(at, end).trimEnd();
      if (value === "" || /[\s"]/.test(value)) throw bad(text);
      params.set(name, value);
    }
    at = skipSpace(text, end);
    if (at < text.length && text.charCodeAt(at) !== 0x2c) throw bad(text);
    at++;
  }
  if (params.size === 0) throw bad(text);
  return { scheme: scheme.toLowerCase(), params };
}

/** Parameters whose grammar has no quotes. @see RFC 7616 §3.3, §3.4, §3.5 */
const UNQUOTED = new Set(["algorithm", "stale", "nc", "qop"]);

/**
 * Inverse of {@link parseCredentials}.
 * @param options.challenge In a challenge `qop` is quoted, in credentials it is not.
 */
export function formatCredentials(value: Credentials, options: { readonly challenge?: boolean } = {}): string {
  const parts: string[] = [];
  for (const [name, text] of value.params) {
    const bare = UNQUOTED.has(name) && isBareValue(text) && !(name === "qop" && options.challenge === true);
    parts.push(`${name}=${bare ? text : quoteString(text)}`);
  }
  const scheme = value.scheme.charAt(0).toUpperCase() + value.scheme.slice(1);
  return `${scheme} ${parts.join(", ")}`;
}

function bad(text: string): SipParseError {
  return new SipParseError("BAD_CREDENTIALS", `malformed credentials: ${quote(text)}`);
}
