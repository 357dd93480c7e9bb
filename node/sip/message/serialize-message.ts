import { assert } from "../../runtime/errors.ts";
import { fieldsOf } from "./headers.ts";
import type { SipMessage } from "./message.ts";

/**
 * The octets of a message. Content-Length is always the body's length, whatever the headers say: framing never
 * depends on what a caller or a peer wrote.
 * @throws {AortaError} `ASSERTION` when the start line holds CR or LF
 */
export function serializeMessage(message: SipMessage): Uint8Array {
  const line =
    message.kind === "request"
      ? `${message.method} ${message.uri} SIP/2.0`
      : `SIP/2.0 ${message.status} ${message.reason}`;
  assert(!/[\r\n]/.test(line), "start line would break the message");
  let head = `${line}\r\n`;
  for (const { key, name, value } of fieldsOf(message.headers)) {
    if (key !== "content-length") head += `${name}: ${value}\r\n`;
  }
  const { body } = message;
  head += `Content-Length: ${body.length}\r\n\r\n`;
  if (body.length === 0) return Buffer.from(head);
  const headBytes = Buffer.byteLength(head);
  const bytes = Buffer.allocUnsafe(headBytes + body.length);
  bytes.write(head, 0);
  bytes.set(body, headBytes);
  return bytes;
}
