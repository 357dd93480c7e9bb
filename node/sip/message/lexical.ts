import { quote, SipParseError } from "./sip-parse-error.ts";

// One bit per class of RFC 3261 §25.1, looked up by octet.
const TOKEN = 1;
const HOST = 2;
const VALUE = 4;
const URI = 8;
const classes = new Uint8Array(128);
for (let code = 0; code < 128; code++) {
  const character = String.fromCharCode(code);
  if (/[A-Za-z0-9\-.!%*_+`'~]/.test(character)) classes[code] = TOKEN;
  if (/[A-Za-z0-9\-._:[\]]/.test(character)) classes[code] = (classes[code] as number) | HOST;
  if (!/[\s",<>]/.test(character)) classes[code] = (classes[code] as number) | VALUE;
  if (!/[\s<>"]/.test(character)) classes[code] = (classes[code] as number) | URI;
}

function isAll(text: string, kind: number): boolean {
  const length = text.length;
  if (length === 0) return false;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127 || ((classes[code] as number) & kind) === 0) return false;
  }
  return true;
}

/** Whether the text is a `token`: methods, header names, parameter names. @see RFC 3261 §25.1 */
export function isToken(text: string): boolean {
  return isAll(text, TOKEN);
}

/** Whether a parameter's value may stand without quotes: `token / host`. @see RFC 3261 §25.1 gen-value */
export function isBareValue(text: string): boolean {
  return isAll(text, TOKEN | HOST);
}

/** Whether nothing in a text ends a parameter's value: white space, quotes, commas, angle brackets. */
export function isUnbroken(text: string): boolean {
  return isAllOrBeyond(text, VALUE);
}

/** Whether nothing in a text ends a URI: white space, quotes, angle brackets. */
export function isUriText(text: string): boolean {
  return isAllOrBeyond(text, URI);
}

/** As {@link isAll}, for classes that have all characters beyond ASCII but white space; an empty text is of them too. */
function isAllOrBeyond(text: string, kind: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127 ? /\s/.test(text.charAt(i)) : ((classes[code] as number) & kind) === 0) return false;
  }
  return true;
}

/**
 * A text in memory of its own. A value of a message is a view on the whole message's text: who keeps it for long would keep all of that.
 */
export function detached(text: string): string {
  return Buffer.from(text).toString();
}

/** Whether the character at an index is a space or a tab. Folded lines are unfolded before. */
export function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** First index at or after `at` that is not white space. */
export function skipSpace(text: string, at: number): number {
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

/**
 * Index just after the closing quote of the quoted-string that opens at `at`.
 * @throws {SipParseError} `UNBALANCED_QUOTE`
 */
export function endOfQuoted(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x5c) i++;
    else if (code === 0x22) return i + 1;
  }
  throw new SipParseError("UNBALANCED_QUOTE", `quoted string without its end in ${quote(text)}`);
}

/** Text of a quoted-string, quotes and escapes removed. */
export function unquote(text: string): string {
  if (text.charCodeAt(0) !== 0x22) return text;
  const inner = text.slice(1, -1);
  return inner.includes("\\") ? inner.replace(/\\([^])/g, "$1") : inner;
}

/** A quoted-string that holds the text. */
export function quoteString(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** Whether the text is one or more decimal digits. */
export function isDigits(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return false;
  }
  return text.length > 0;
}

/**
 * A non-negative decimal integer, leading zeros allowed.
 * @throws {SipParseError} `BAD_NUMBER` for anything else, or above `max`
 */
export function parseDecimal(text: string, max: number, what: string): number {
  if (!isDigits(text)) throw new SipParseError("BAD_NUMBER", `${what} is not a number: ${quote(text)}`);
  const value = Number(text);
  if (value > max) throw new SipParseError("BAD_NUMBER", `${what} is above ${max}: ${quote(text)}`);
  return value;
}

/**
 * The values of a comma-separated field; commas in quotes and in angle brackets do not separate. Empty elements are left out.
 * @throws {SipParseError} `UNBALANCED_QUOTE`
 * @see RFC 3261 §7.3.1
 */
export function splitList(text: string): string[] {
  if (!text.includes(",")) {
    const only = text.trim();
    return only === "" ? [] : [only];
  }
  const values: string[] = [];
  let start = 0;
  for (let end = nextComma(text, 0); ; end = nextComma(text, start)) {
    const value = text.slice(start, end).trim();
    if (value !== "") values.push(value);
    if (end >= text.length) return values;
    start = end + 1;
  }
}

/** Index of the first comma at or after `at` that separates list values, or the length of the text. */
export function nextComma(text: string, at: number): number {
  let bracketed = false;
  for (let i = at; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22 && !bracketed) i = endOfQuoted(text, i) - 1;
    else if (code === 0x3c) bracketed = true;
    else if (code === 0x3e) bracketed = false;
    else if (code === 0x2c && !bracketed) return i;
  }
  return text.length;
}
