import { isAscii, isUtf8 } from "node:buffer";
import { limits } from "../../runtime/limits.ts";
import type { HeaderField, SipHeaders } from "./headers.ts";
import { fieldsOf, headersOf } from "./headers.ts";
import { headerKey, usualNameAt } from "./header-names.ts";
import { isDigits, isSpace, isToken, isUriText } from "./lexical.ts";
import type { SipMessage, SipRequest } from "./message.ts";
import { quote, SipParseError } from "./sip-parse-error.ts";

const END_OF_HEAD = Buffer.from("\r\n\r\n");
const SLASH = 0x2f;
const NO_BODY = new Uint8Array(0);

type StartLine =
  | { readonly kind: "request"; readonly method: string; readonly uri: string; readonly problem?: SipParseError }
  | { readonly kind: "response"; readonly status: number; readonly reason: string };

/**
 * The message in one datagram, WebSocket frame or framed piece of a stream. Checks the start line, the shape of every
 * header field and the length of the body; what the fields mean is checked where it is used, and for a server by
 * `validateRequest`. The body is a view on `bytes`, octets beyond Content-Length are left out (RFC 3261 §18.3).
 *
 * @throws {SipParseError} with the request as far as it could be read, so that it can be answered.
 */
export function parseMessage(bytes: Uint8Array): SipMessage {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let from = 0;
  // RFC 3261 §7.5: CRLF before the start line is ignored.
  while (buffer[from] === 0x0d && buffer[from + 1] === 0x0a) from += 2;
  if (buffer.length - from > limits.sip.messageBytes) {
    throw new SipParseError("MESSAGE_TOO_LARGE", `message above ${limits.sip.messageBytes} bytes`, { status: 513 });
  }
  const end = buffer.indexOf(END_OF_HEAD, from);
  // A head that never ends is still read for what an answer needs.
  const { head, problem: notText } = decodeHead(buffer, from, end < 0 ? buffer.length : end);
  const lineEnd = head.indexOf("\r\n");
  const start = parseStartLine(lineEnd < 0 ? head : head.slice(0, lineEnd));
  const fields: HeaderField[] = [];
  let problem = (start.kind === "request" ? start.problem : undefined) ?? notText;
  try {
    parseFields(head, lineEnd < 0 ? head.length : lineEnd + 2, fields, fieldBytesMax(start));
    if (end < 0) throw new SipParseError("TRUNCATED", "no empty line after the header fields");
  } catch (error) {
    problem ??= error as SipParseError;
  }
  const headers = headersOf(fields);
  let body: Uint8Array = NO_BODY;
  if (problem === undefined) {
    try {
      body = bodyOf(buffer, end + END_OF_HEAD.length, headers);
    } catch (error) {
      problem = error as SipParseError;
    }
  }
  if (start.kind === "response") {
    if (problem !== undefined) throw problem;
    return { kind: "response", status: start.status, reason: start.reason, headers, body };
  }
  const request: SipRequest = { kind: "request", method: start.method, uri: start.uri, headers, body };
  if (problem !== undefined)
    throw new SipParseError(problem.code, problem.message, { status: problem.status, request });
  return request;
}

/** What is not UTF-8 is read with replacements, for what an answer needs. */
function decodeHead(
  message: Buffer,
  from: number,
  to: number,
): { readonly head: string; readonly problem?: SipParseError } {
  // Most messages are short and ASCII as a whole, which costs less to find out than to make a view without the body.
  if (message.length <= SHORT && isAscii(message)) return { head: message.toString("latin1", from, to) };
  const bytes = message.subarray(from, to);
  if (isAscii(bytes)) return { head: bytes.toString("latin1") };
  const head = bytes.toString("utf8");
  // RFC 3261 §7: the message is UTF-8 text, whatever the body is.
  return isUtf8(bytes) ? { head } : { head, problem: new SipParseError("NOT_UTF8", "header fields are not UTF-8") };
}

const SHORT = 2048;

const RESPONSE = /^SIP\/2\.0 (\d+) (.*)$/i;

function parseStartLine(line: string): StartLine {
  if (line.charCodeAt(3) === SLASH && line.slice(0, 4).toUpperCase() === "SIP/") {
    const match = RESPONSE.exec(line);
    const digits = match?.[1] ?? "";
    const status = Number(digits);
    if (digits.length !== 3 || status < 100 || status > 699) {
      throw new SipParseError("BAD_STATUS_LINE", `malformed status line ${quote(line)}`);
    }
    return { kind: "response", status, reason: match?.[2] ?? "" };
  }
  // RFC 3261 §7.1: exactly one SP between the parts, no other white space.
  const first = line.indexOf(" ");
  const last = line.lastIndexOf(" ");
  const method = line.slice(0, Math.max(first, 0));
  if (!isToken(method)) throw new SipParseError("BAD_REQUEST_LINE", `malformed request line ${quote(line)}`);
  const uri = line.slice(first + 1, last);
  return { kind: "request", method, uri, ...requestLineProblem(line, first, last) };
}

/** What is wrong with a request line whose method could be read: the request can still be answered. */
function requestLineProblem(line: string, first: number, last: number): { problem?: SipParseError } {
  const version = line.slice(last + 1).toUpperCase();
  const uri = line.slice(first + 1, last);
  if (version !== "SIP/2.0" && last > first && /^SIP\/\d+\.\d+$/.test(version)) {
    return { problem: new SipParseError("BAD_VERSION", `version ${quote(version)}`, { status: 505 }) };
  }
  if (version !== "SIP/2.0" || uri === "" || !isUriText(uri)) {
    return { problem: new SipParseError("BAD_REQUEST_LINE", `malformed request line ${quote(line)}`) };
  }
  if (uri.length > limits.sip.uriBytes) {
    return {
      problem: new SipParseError("URI_TOO_LONG", `Request-URI longer than ${limits.sip.uriBytes}`, { status: 414 }),
    };
  }
  return {};
}

const ANSWERED = new Set(["via", "from", "to", "call-id", "cseq"]);

/** The first of what an answer repeats, wherever it stands. */
function isNeededForAnswer({ key }: HeaderField, before: readonly HeaderField[]): boolean {
  return ANSWERED.has(key) && before.every((field) => field.key !== key);
}

function fieldBytesMax({ kind }: StartLine): number {
  const { headerBytes, answerAddsBytes } = limits.sip;
  return kind === "request" ? headerBytes : headerBytes + answerAddsBytes;
}

/** Reads the fields from `at` on into `fields`. One that is malformed does not hide those after it: the first problem is thrown at the end. */
function parseFields(head: string, at: number, fields: HeaderField[], bytesMax: number): void {
  let problem: SipParseError | undefined;
  for (let count = 0; at < head.length; count++) {
    const isTooMany = count >= limits.sip.headerCount;
    if (isTooMany)
      problem ??= new SipParseError("TOO_MANY_HEADERS", `more than ${limits.sip.headerCount} header fields`);
    let end = cleanLineEnd(head, at);
    let isBroken = end < 0;
    if (isBroken) end = endOfLine(head, at);
    const unfoldedEnd = end;
    while (isSpace(head.charCodeAt(end + 2))) {
      const next = cleanLineEnd(head, end + 2);
      isBroken ||= next < 0;
      end = next < 0 ? endOfLine(head, end + 2) : next;
    }
    const isTooLong = end - at > bytesMax;
    const field = isBroken || isTooLong ? undefined : parseField(head, at, end, end > unfoldedEnd);
    if (field !== undefined) {
      if (!isTooMany || isNeededForAnswer(field, fields)) fields.push(field);
    } else problem ??= isTooLong ? tooLong(bytesMax) : malformed(head.slice(at, end));
    at = end + 2;
  }
  if (problem !== undefined) throw problem;
}

function endOfLine(head: string, at: number): number {
  const end = head.indexOf("\r\n", at);
  return end < 0 ? head.length : end;
}

/** The end of a line; −1 where a CR or LF stands alone in it: no line end to us, but one to others, which could hide a field. */
function cleanLineEnd(head: string, at: number): number {
  const cr = head.indexOf("\r", at);
  const lf = head.indexOf("\n", at);
  if (cr < 0 && lf < 0) return head.length;
  return cr >= 0 && lf === cr + 1 ? cr : -1;
}

/** `undefined` when it is malformed. */
function parseField(head: string, at: number, end: number, folded: boolean): HeaderField | undefined {
  const colon = head.indexOf(":", at);
  if (colon < 0 || colon >= end) return undefined;
  let nameEnd = colon;
  while (nameEnd > at && isSpace(head.charCodeAt(nameEnd - 1))) nameEnd--;
  const value = folded ? unfold(head.slice(colon + 1, end)) : trimmed(head, colon + 1, end);
  const usual = usualNameAt(head, at, nameEnd);
  if (usual !== undefined) return { key: usual.key, name: usual.name, value, read: undefined };
  const name = head.slice(at, nameEnd);
  return isToken(name) ? { key: headerKey(name), name, value, read: undefined } : undefined;
}

function tooLong(bytesMax: number): SipParseError {
  return new SipParseError("HEADER_TOO_LONG", `header field longer than ${bytesMax}`);
}

function malformed(text: string): SipParseError {
  return new SipParseError("BAD_HEADER", `malformed header field ${quote(text)}`);
}

/** RFC 3261 §7.3.1: a line break with the white space around it is one space. */
function unfold(text: string): string {
  return text
    .split("\r\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join(" ");
}

function trimmed(text: string, from: number, to: number): string {
  while (from < to && isSpace(text.charCodeAt(from))) from++;
  while (to > from && isSpace(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

function bodyOf(buffer: Buffer, at: number, headers: SipHeaders): Uint8Array {
  const available = buffer.length - at;
  const length = contentLengthOf(headers);
  if (length === undefined) return available === 0 ? NO_BODY : buffer.subarray(at);
  // RFC 3261 §18.3: a datagram shorter than it says is an error; a longer one is cut.
  if (length > available)
    throw new SipParseError("BAD_CONTENT_LENGTH", `Content-Length ${length}, but ${available} bytes follow`);
  return length === 0 ? NO_BODY : buffer.subarray(at, at + length);
}

/**
 * The Content-Length field; `undefined` when absent.
 * @throws {SipParseError} `BAD_CONTENT_LENGTH` when it is not a number or two fields differ; `BODY_TOO_LARGE` (413)
 */
function contentLengthOf(headers: SipHeaders): number | undefined {
  let first: string | undefined;
  for (const { key, value } of fieldsOf(headers)) {
    if (key !== "content-length") continue;
    first ??= value;
    if (value !== first || !isDigits(value)) {
      throw new SipParseError("BAD_CONTENT_LENGTH", `Content-Length ${quote(value)}`);
    }
  }
  if (first === undefined) return undefined;
  const length = Number(first);
  if (length > limits.sip.messageBytes) {
    throw new SipParseError("BODY_TOO_LARGE", `body above ${limits.sip.messageBytes} bytes`, { status: 413 });
  }
  return length;
}
