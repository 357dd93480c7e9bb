import { isSpace, isToken, skipSpace, splitList } from "./lexical.ts";
import type { Params } from "./params.ts";
import { formatParams, parseParams } from "./params.ts";
import { quote, SipParseError } from "./sip-parse-error.ts";
import { formatHostPort, parseHostPort } from "./uri.ts";

/** One hop of a request's path. @see RFC 3261 §20.42 */
export interface Via {
  /** Upper case: `UDP`, `TCP`, `TLS`, `WS`, `WSS`, `MESH`, … */
  readonly transport: string;
  /** sent-by host in lower case; IPv6 without brackets. */
  readonly host: string;
  readonly port?: number;
  /** `branch`, `received`, `rport` (empty when asked for), … */
  readonly params: Params;
}

const USUAL_PROTOCOL = "SIP/2.0/";

/** Every branch made by RFC 3261 begins with it. @see RFC 3261 §8.1.1.7 */
export const BRANCH_COOKIE = "z9hG4bK";

/**
 * One Via value.
 * @throws {SipParseError} `BAD_VIA`, `BAD_PARAMS`
 */
export function parseVia(text: string): Via {
  // The usual spelling has no white space around its slashes, and is not taken apart.
  let second = USUAL_PROTOCOL.length - 1;
  if (!text.startsWith(USUAL_PROTOCOL)) {
    const first = text.indexOf("/");
    second = text.indexOf("/", first + 1);
    if (first < 0 || second < 0) throw bad(text);
    if (text.slice(0, first).trim().toUpperCase() !== "SIP" || text.slice(first + 1, second).trim() !== "2.0") {
      throw bad(text);
    }
  }
  let semicolon = text.indexOf(";", second);
  if (semicolon < 0) semicolon = text.length;
  let at = skipSpace(text, second + 1);
  const start = at;
  while (at < semicolon && !isSpace(text.charCodeAt(at))) at++;
  const transport = text.slice(start, at);
  if (at === semicolon || !isToken(transport)) throw bad(text);
  const { host, port } = parseHostPort(text.slice(at + 1, semicolon).trim());
  const params = parseParams(text, semicolon);
  const name = transport === "UDP" ? transport : transport.toUpperCase();
  return port === undefined ? { transport: name, host, params } : { transport: name, host, port, params };
}

const BRANCH = ";branch=";

/**
 * The branch of the first value of a Via field. One that stands as we and most others write it is read without taking the field apart.
 * @throws {SipParseError} as {@link parseVia}, where it does not
 */
export function branchOf(text: string): string | undefined {
  const at = text.indexOf(BRANCH);
  const comma = text.indexOf(",");
  if (at > 0 && (comma < 0 || comma > at) && !text.includes('"')) {
    const semicolon = text.indexOf(";", at + 1);
    const end = Math.min(semicolon < 0 ? text.length : semicolon, comma < 0 ? text.length : comma);
    const branch = text.slice(at + BRANCH.length, end);
    if (isToken(branch)) return branch;
  }
  return parseVia(comma < 0 ? text : (splitList(text)[0] ?? "")).params.get("branch");
}

/** Whether a branch was made with that second part. @see {@link randomBranch} */
export function hasLoopPart({ params }: Via, loopPart: string): boolean {
  return params.get("branch")?.endsWith(`.${loopPart}`) === true;
}

/** Inverse of {@link parseVia}. */
export function formatVia(via: Via): string {
  return `SIP/2.0/${via.transport} ${formatHostPort(via.host, via.port)}${formatParams(via.params)}`;
}

function bad(text: string): SipParseError {
  return new SipParseError("BAD_VIA", `malformed Via: ${quote(text)}`);
}
