import { endOfQuoted, isBareValue, isToken, isUnbroken, quoteString, skipSpace, unquote } from "./lexical.ts";
import { quote, SipParseError } from "./sip-parse-error.ts";

/** Parameters by name in lower case, unquoted; one without a value (`;lr`) has the empty string. */
export type Params = ReadonlyMap<string, string>;

/** Shared by everything that has none. */
export const NO_PARAMS: Params = new Map();

/**
 * Reads `*(;name[=value])` from `at` to the end of the text, white space around `;` and `=` allowed.
 * @throws {SipParseError} `BAD_PARAMS` for a malformed or a repeated one
 * @see RFC 3261 §25.1 generic-param
 */
export function parseParams(text: string, at: number): Params {
  at = skipSpace(text, at);
  if (at >= text.length) return NO_PARAMS;
  const params = new Map<string, string>();
  while (at < text.length) {
    if (text.charCodeAt(at) !== 0x3b) throw bad(text);
    const start = skipSpace(text, at + 1);
    at = endOfPart(text, start);
    const name = text.slice(start, at).trimEnd();
    if (!isToken(name)) throw bad(text);
    let value = "";
    if (text.charCodeAt(at) === 0x3d) {
      const valueStart = skipSpace(text, at + 1);
      if (text.charCodeAt(valueStart) === 0x22) {
        const valueEnd = endOfQuoted(text, valueStart);
        value = unquote(text.slice(valueStart, valueEnd));
        at = skipSpace(text, valueEnd);
      } else {
        at = text.indexOf(";", valueStart);
        if (at < 0) at = text.length;
        value = text.slice(valueStart, at).trimEnd();
        // Liberal in what a value is made of: UUIDs, tags and tokens of other RFCs use more than RFC 3261 allows.
        if (value === "" || !isUnbroken(value)) throw bad(text);
      }
    }
    const key = name.toLowerCase();
    if (params.has(key))
      throw new SipParseError("BAD_PARAMS", `parameter ${quote(name)} given twice in ${quote(text)}`);
    params.set(key, value);
  }
  return params;
}

function endOfPart(text: string, at: number): number {
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === 0x3b || code === 0x3d) break;
    at++;
  }
  return at;
}

function bad(text: string): SipParseError {
  return new SipParseError("BAD_PARAMS", `malformed parameters in ${quote(text)}`);
}

/** Inverse of {@link parseParams}: values that are neither token nor host are quoted. */
export function formatParams(params: Params): string {
  let text = "";
  for (const [name, value] of params) {
    text += value === "" ? `;${name}` : `;${name}=${isBareValue(value) ? value : quoteString(value)}`;
  }
  return text;
}
