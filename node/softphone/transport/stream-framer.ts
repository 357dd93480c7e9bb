import { limits } from "../../runtime/limits.ts";

const headEnd = Buffer.from("\r\n\r\n");
const largestMessageBytes = limits.softphone.messageBytes;

/**
 * Cuts a byte stream into SIP messages by their Content-Length, which counts bytes.
 * @see RFC 3261 §18.3
 */
export class StreamFramer {
  #buffer: Buffer = Buffer.alloc(0);

  /**
   * @returns the messages completed by these bytes
   * @throws {Error} when the stream cannot be framed any more: no Content-Length, or a message beyond 64 KiB
   */
  push(bytes: Buffer): Buffer[] {
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
    const messages: Buffer[] = [];
    for (let message = this.#next(); message !== undefined; message = this.#next()) messages.push(message);
    return messages;
  }

  #next(): Buffer | undefined {
    // Empty lines between messages are keep-alives. @see RFC 5626 §3.5.1
    let start = 0;
    while (this.#buffer[start] === 13 || this.#buffer[start] === 10) start++;
    this.#buffer = this.#buffer.subarray(start);
    const head = this.#buffer.indexOf(headEnd);
    if (head < 0) {
      if (this.#buffer.length > largestMessageBytes) throw new Error("A header section exceeds 64 KiB.");
      return undefined;
    }
    const bodyBytes = contentLength(this.#buffer.toString("latin1", 0, head));
    const messageBytes = head + headEnd.length + bodyBytes;
    if (messageBytes > largestMessageBytes) throw new Error(`A message of ${messageBytes} bytes exceeds 64 KiB.`);
    if (this.#buffer.length < messageBytes) return undefined;
    const message = this.#buffer.subarray(0, messageBytes);
    this.#buffer = this.#buffer.subarray(messageBytes);
    return message;
  }
}

function contentLength(head: string): number {
  const match = /^(?:content-length|l)[ \t]*:[ \t]*(\d+)[ \t]*$/im.exec(head);
  if (match === null) throw new Error("A message on a stream has no Content-Length.");
  return Number(match[1]);
}
