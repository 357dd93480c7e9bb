import { limits } from "../../runtime/limits.ts";
import { parseMessage } from "./parse-message.ts";
import { SipParseError } from "./sip-parse-error.ts";

export type FrameEvent =
  /** The octets of one message. A view that is valid as long as it is held. */
  | { readonly kind: "message"; readonly bytes: Uint8Array }
  /** A double CRLF between messages: the sender wants a CRLF back. @see RFC 5626 §4.4.1 */
  | { readonly kind: "ping" }
  /** Where the next message starts is unknown: answer if the error holds a request, then close. Nothing follows. */
  | { readonly kind: "broken"; readonly error: SipParseError };

const CR = 0x0d;
const LF = 0x0a;
const END_OF_HEAD = Buffer.from("\r\n\r\n");
const CONTENT_LENGTH = /(?:content-length|l)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)/iy;

/**
 * Cuts a stream of octets into messages by Content-Length, which streams require.
 * Costs linear time and at most `limits.sip.messageBytes` of memory, however the octets are cut into chunks.
 * @see RFC 3261 §18.3, §7.5
 */
export class StreamFramer {
  #buffer: Buffer = Buffer.alloc(0);
  /** Octets of `#buffer` that are filled. */
  #length = 0;
  /** Where the search for the end of the head goes on. */
  #scanned = 0;
  /** Whole size of the message at the front once its head was read. */
  #messageBytes: number | undefined;
  /** CRLFs seen since the last message. */
  #emptyLines = 0;
  #broken = false;

  /** Whether part of a message is waiting for the rest: a sender may not leave it so for long. */
  get partial(): boolean {
    return this.#length > 0;
  }

  /** Octets of memory that such a part takes. */
  get partialBytes(): number {
    return this.partial ? this.#buffer.length : 0;
  }

  /** Takes the next octets of the stream; returns what they complete. */
  push(chunk: Uint8Array): FrameEvent[] {
    const events: FrameEvent[] = [];
    if (this.#broken) return events;
    this.#append(chunk);
    let at = 0;
    try {
      for (;;) {
        at = this.#skipEmptyLines(at, events);
        const size = this.#sizeOfMessage(at);
        if (size === undefined || this.#length - at < size) break;
        events.push({ kind: "message", bytes: this.#buffer.subarray(at, at + size) });
        at += size;
        this.#scanned = at;
        this.#messageBytes = undefined;
      }
    } catch (error) {
      this.#broken = true;
      this.#buffer = Buffer.alloc(0);
      this.#length = 0;
      return [...events, { kind: "broken", error: error as SipParseError }];
    }
    this.#keepFrom(at);
    return events;
  }

  #append(chunk: Uint8Array): void {
    if (this.#length === 0) {
      // The usual case, whole messages in a chunk, copies nothing.
      this.#buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      this.#length = chunk.length;
      return;
    }
    const length = this.#length + chunk.length;
    if (length > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(length, this.#buffer.length * 2, 1024));
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    this.#buffer.set(chunk, this.#length);
    this.#length = length;
  }

  /** Keeps what is not yet a message, in memory of its own: events hold views on the old one. */
  #keepFrom(at: number): void {
    const rest = this.#length - at;
    if (at > 0 || this.#buffer.length === this.#length) {
      const kept = Buffer.allocUnsafe(rest === 0 ? 0 : Math.max(rest * 2, 1024));
      this.#buffer.copy(kept, 0, at, this.#length);
      this.#buffer = kept;
    }
    this.#length = rest;
    this.#scanned = Math.max(0, this.#scanned - at);
  }

  #skipEmptyLines(at: number, events: FrameEvent[]): number {
    const start = at;
    while (this.#length - at >= 2 && this.#buffer[at] === CR && this.#buffer[at + 1] === LF) {
      at += 2;
      if (++this.#emptyLines % 2 === 0) events.push({ kind: "ping" });
    }
    if (at > start) this.#scanned = at;
    if (this.#length - at > 1) this.#emptyLines = 0;
    return at;
  }

  #sizeOfMessage(at: number): number | undefined {
    if (this.#messageBytes !== undefined) return this.#messageBytes;
    const data = this.#buffer.subarray(0, this.#length);
    const end = data.indexOf(END_OF_HEAD, Math.max(at, this.#scanned - END_OF_HEAD.length + 1));
    this.#scanned = this.#length;
    const headBytes = (end < 0 ? this.#length : end + END_OF_HEAD.length) - at;
    if (headBytes > limits.sip.messageBytes) {
      throw new SipParseError("MESSAGE_TOO_LARGE", `head above ${limits.sip.messageBytes} bytes`, { status: 513 });
    }
    if (end < 0) return undefined;
    this.#messageBytes = headBytes + contentLength(data.subarray(at, at + headBytes));
    return this.#messageBytes;
  }
}

/** Content-Length of a head, its empty line included. @throws {SipParseError} with the request, when there is no valid one */
function contentLength(head: Buffer): number {
  let length: string | undefined;
  const text = head.toString("latin1");
  for (let at = text.indexOf("\r\n"); at >= 0; at = text.indexOf("\r\n", at + 2)) {
    const initial = text.charCodeAt(at + 2) | 0x20;
    if (initial !== 0x63 && initial !== 0x6c) continue; // neither "c" nor "l"
    CONTENT_LENGTH.lastIndex = at + 2;
    const value = CONTENT_LENGTH.exec(text)?.[1]?.trim();
    if (value === undefined) continue;
    if (!/^\d+$/.test(value) || (length !== undefined && length !== value)) {
      throw refusal(head, "BAD_CONTENT_LENGTH", "Content-Length is not a number, or given twice", 400);
    }
    length = value;
  }
  if (length === undefined) throw refusal(head, "NO_CONTENT_LENGTH", "a message on a stream needs Content-Length", 400);
  if (head.length + Number(length) > limits.sip.messageBytes) {
    throw refusal(head, "MESSAGE_TOO_LARGE", `message above ${limits.sip.messageBytes} bytes`, 513);
  }
  return Number(length);
}

function refusal(head: Buffer, code: string, message: string, status: number): SipParseError {
  try {
    const parsed = parseMessage(head);
    return new SipParseError(code, message, {
      status,
      ...(parsed.kind === "request" ? { request: parsed } : undefined),
    });
  } catch (error) {
    const { request } = error as SipParseError;
    return new SipParseError(code, message, { status, ...(request === undefined ? undefined : { request }) });
  }
}
