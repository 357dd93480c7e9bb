import { isIPv6 } from "node:net";
import { limits } from "../../runtime/limits.ts";
import { isSpace, parseDecimal } from "./lexical.ts";
import type { Params } from "./params.ts";
import { NO_PARAMS } from "./params.ts";
import { quote, SipParseError } from "./sip-parse-error.ts";

/**
 * A `sip:` or `sips:` URI, taken apart. Parts keep their %-escapes as they came, so that formatting gives the same
 * URI; {@link unescapeUri} reads them.
 * @see RFC 3261 §19.1
 */
export interface SipUri {
  readonly scheme: "sip" | "sips";
  readonly user?: string;
  readonly password?: string;
  /** In lower case; IPv6 without brackets. */
  readonly host: string;
  /** 1–65535 */
  readonly port?: number;
  /** Names in lower case. */
  readonly params: Params;
  /** Raw `name=value` pairs after `?`, in order. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

const USER = /^(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]|%[0-9A-Fa-f]{2})+$/;
const PASSWORD = /^(?:[A-Za-z0-9\-_.!~*'()&=+$,]|%[0-9A-Fa-f]{2})*$/;
// Underscores are no host name's, but real networks have them.
const HOST_NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9_\-.]*[A-Za-z0-9_.])?$/;
const PARAM = /^(?:[A-Za-z0-9\-_.!~*'()[\]/:&+$]|%[0-9A-Fa-f]{2})+$/;
const HEADER = /^(?:[A-Za-z0-9\-_.!~*'()[\]/?:+$]|%[0-9A-Fa-f]{2})*$/;

/** The scheme of any URI in lower case, or `undefined` where there is none. */
export function schemeOf(uri: string): string | undefined {
  if (uri.startsWith("sip:")) return "sip";
  const colon = uri.indexOf(":");
  if (colon <= 0) return undefined;
  const scheme = uri.slice(0, colon);
  return /^[A-Za-z][A-Za-z0-9+.-]*$/.test(scheme) ? scheme.toLowerCase() : undefined;
}

/** Whether a URI is one of SIP's, by its scheme alone. */
export function isSipUri(uri: string): boolean {
  const scheme = schemeOf(uri);
  return scheme === "sip" || scheme === "sips";
}

/**
 * @throws {SipParseError} `BAD_URI`; with status 416 for another scheme (`UNKNOWN_SCHEME`), 414 when longer than
 *   `limits.sip.uriBytes` (`URI_TOO_LONG`)
 */
export function parseUri(text: string): SipUri {
  if (text.length > limits.sip.uriBytes) {
    throw new SipParseError("URI_TOO_LONG", `URI longer than ${limits.sip.uriBytes}`, { status: 414 });
  }
  const scheme = schemeOf(text);
  if (scheme === undefined) throw bad(text);
  if (scheme !== "sip" && scheme !== "sips") {
    throw new SipParseError("UNKNOWN_SCHEME", `not a SIP URI: ${quote(text)}`, { status: 416 });
  }
  let rest = scheme.length + 1;
  let user: string | undefined;
  let password: string | undefined;
  // Only one "@" may stand unescaped; everything left of it is userinfo, which may hold ";" and "?".
  const at = text.indexOf("@", rest);
  if (at >= 0) {
    const userinfo = text.slice(rest, at);
    const colon = userinfo.indexOf(":");
    user = colon < 0 ? userinfo : userinfo.slice(0, colon);
    if (!USER.test(user)) throw bad(text);
    if (colon >= 0) {
      password = userinfo.slice(colon + 1);
      if (!PASSWORD.test(password)) throw bad(text);
    }
    rest = at + 1;
  }
  const question = text.indexOf("?", rest);
  const beforeHeaders = question < 0 ? text.length : question;
  let semicolon = text.indexOf(";", rest);
  if (semicolon < 0 || semicolon > beforeHeaders) semicolon = beforeHeaders;
  const hostPort = text.slice(rest, semicolon);
  // What Via may have around its colon, a URI may not.
  if (/\s/.test(hostPort)) throw bad(text);
  const { host, port } = parseHostPort(hostPort);
  const uri: { -readonly [Part in keyof SipUri]: SipUri[Part] } = {
    scheme,
    host,
    params: parseUriParams(text, semicolon, beforeHeaders),
    headers: question < 0 ? [] : parseUriHeaders(text, question + 1),
  };
  if (user !== undefined) uri.user = user;
  if (password !== undefined) uri.password = password;
  if (port !== undefined) uri.port = port;
  return uri;
}

/** As {@link parseUri}, but `undefined` instead of an error. */
export function tryParseUri(text: string): SipUri | undefined {
  try {
    return parseUri(text);
  } catch {
    return undefined;
  }
}

/**
 * `host[:port]`, IPv6 in brackets, white space around the colon allowed.
 * @throws {SipParseError} `BAD_URI`
 */
export function parseHostPort(text: string): { host: string; port?: number } {
  let host: string;
  let after: number;
  if (text.charCodeAt(0) === 0x5b) {
    after = text.indexOf("]") + 1;
    // RFC 5118 §4.10: the colon too many that RFC 3261's grammar has before an IPv4 address is read past; RFC 5954: it is an error of that
    // grammar, and written by nobody. Nothing else beside an IPv6 address is allowed, nor is a zone.
    host = text
      .slice(1, after - 1)
      .toLowerCase()
      .replace(/:::(?=\d+\.[\d.]+$)/, "::");
    if (!isIPv6(host) || host.includes("%")) throw bad(text);
  } else {
    const colon = text.indexOf(":");
    after = colon < 0 ? text.length : colon;
    while (after > 0 && isSpace(text.charCodeAt(after - 1))) after--;
    host = text.slice(0, after).toLowerCase();
    if (!HOST_NAME.test(host) || host.length > 255 || host.includes("..")) throw bad(text);
  }
  const rest = text.slice(after).trim();
  if (rest === "") return { host };
  if (rest.charCodeAt(0) !== 0x3a) throw bad(text);
  const port = parseDecimal(rest.slice(1).trim(), 65535, "port");
  if (port === 0) throw bad(text);
  return { host, port };
}

/** `host[:port]` with IPv6 in brackets. */
export function formatHostPort(host: string, port?: number): string {
  const literal = host.includes(":") ? `[${host}]` : host;
  return port === undefined ? literal : `${literal}:${port}`;
}

function parseUriParams(text: string, from: number, to: number): Params {
  if (from >= to) return NO_PARAMS;
  const params = new Map<string, string>();
  for (const part of text.slice(from + 1, to).split(";")) {
    const equals = part.indexOf("=");
    const name = (equals < 0 ? part : part.slice(0, equals)).toLowerCase();
    const value = equals < 0 ? "" : part.slice(equals + 1);
    if (!PARAM.test(name) || (equals >= 0 && !PARAM.test(value)) || params.has(name)) throw bad(text);
    params.set(name, value);
  }
  return params;
}

function parseUriHeaders(text: string, from: number): (readonly [string, string])[] {
  return text
    .slice(from)
    .split("&")
    .map((part) => {
      const equals = part.indexOf("=");
      const name = part.slice(0, Math.max(equals, 0));
      const value = part.slice(equals + 1);
      if (name === "" || !HEADER.test(name) || !HEADER.test(value)) throw bad(text);
      return [name, value] as const;
    });
}

/** Inverse of {@link parseUri}. */
export function formatUri(uri: SipUri): string {
  let text = `${uri.scheme}:`;
  if (uri.user !== undefined) text += `${uri.user}${uri.password === undefined ? "" : `:${uri.password}`}@`;
  text += formatHostPort(uri.host, uri.port);
  for (const [name, value] of uri.params) text += value === "" ? `;${name}` : `;${name}=${value}`;
  let separator = "?";
  for (const [name, value] of uri.headers) {
    text += `${separator}${name}=${value}`;
    separator = "&";
  }
  return text;
}

/**
 * Text of a part of a URI, %-escapes resolved.
 * @throws {SipParseError} `BAD_URI` when the octets are not UTF-8
 */
export function unescapeUri(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new SipParseError("BAD_URI", `escapes in ${quote(text)} are not UTF-8`, { cause });
  }
}

/** Escapes a text to be a URI's user part. @see RFC 3261 §25.1 user-unreserved */
export function escapeUser(text: string): string {
  return encodeURIComponent(text).replace(/%(?:26|3D|2B|24|2C|3B|3F|2F)/g, decodeURIComponent);
}

/** Parameters that make two URIs differ when only one has them. @see RFC 3261 §19.1.4 */
const DISTINGUISHING = ["user", "ttl", "method", "maddr", "transport"];

/**
 * Whether two URIs are the same.
 * @see RFC 3261 §19.1.4; RFC 5954 §4.2
 */
export function sameUri(a: SipUri, b: SipUri): boolean {
  if (a.scheme !== b.scheme || !isSameHost(a.host, b.host) || a.port !== b.port) return false;
  if (a.user === undefined || b.user === undefined ? a.user !== b.user : plain(a.user) !== plain(b.user)) return false;
  if (plain(a.password ?? "") !== plain(b.password ?? "")) return false;
  for (const [name, value] of a.params) {
    const other = b.params.get(name);
    if (other !== undefined && plain(other).toLowerCase() !== plain(value).toLowerCase()) return false;
  }
  if (DISTINGUISHING.some((name) => a.params.has(name) !== b.params.has(name))) return false;
  return headerList(a) === headerList(b);
}

/** Whether two texts are the same URI; what cannot be read is only the same as itself. */
export function areSameUris(a: string, b: string): boolean {
  if (a === b) return true;
  const [left, right] = [tryParseUri(a), tryParseUri(b)];
  return left !== undefined && right !== undefined && sameUri(left, right);
}

/** {@link areSameUris} of one URI with many, each text once, however often it comes. */
export function sameUriAs(uri: string): (other: string) => boolean {
  const known = new Map<string, boolean>();
  return (other) => {
    const isSame = known.get(other) ?? areSameUris(uri, other);
    known.set(other, isSame);
    return isSame;
  };
}

/** User and host, in one spelling. */
export function userAndHost({ user, host }: SipUri): string {
  return `${user === undefined ? "" : `${plain(user)}@`}${formatHostPort(canonicalHost(host))}`;
}

/** An IPv6 address is the same however it is written. @see RFC 5954 §4.2 */
function isSameHost(a: string, b: string): boolean {
  if (a === b) return true;
  if (!a.includes(":") || !b.includes(":")) return false;
  return canonicalHost(a) === canonicalHost(b);
}

/** Without brackets. */
function canonicalHost(host: string): string {
  return host.includes(":") ? new URL(`sip://[${host}]`).hostname.slice(1, -1) : host;
}

function headerList(uri: SipUri): string {
  return uri.headers
    .map(([name, value]) => `${name.toLowerCase()}=${plain(value)}`)
    .toSorted()
    .join("&");
}

/** Escapes that need not be are the character itself; the others differ from it (§19.1.4: reserved characters). */
function plain(text: string): string {
  return text.replace(/%[0-9A-Fa-f]{2}/g, (escape) => {
    const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    return /[A-Za-z0-9\-_.!~*'()]/.test(character) ? character : escape.toUpperCase();
  });
}

function bad(text: string): SipParseError {
  return new SipParseError("BAD_URI", `malformed URI: ${quote(text)}`);
}
