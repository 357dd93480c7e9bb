const timerJMs = 32_000;

interface Known {
  /** The last response; absent while there is none. */
  response: Buffer | undefined;
  readonly timer: NodeJS.Timeout;
}

/**
 * Timer J for requests that come over UDP, which SIP.js lacks: without it a request whose answer was late is carried out twice.
 * INVITE and ACK have timers of their own.
 * @see RFC 3261 §17.2.2
 */
export class Repetitions {
  readonly #send: (message: Buffer) => void;
  readonly #known = new Map<string, Known>();

  constructor(send: (message: Buffer) => void) {
    this.#send = send;
  }

  /** Whether a request came before; then its last response, if there is one, is sent again. */
  absorbs(message: Buffer): boolean {
    const { isResponse, key } = describe(message);
    if (isResponse || key === undefined) return false;
    const known = this.#known.get(key);
    if (known === undefined) {
      const timer = setTimeout(() => this.#known.delete(key), timerJMs);
      timer.unref();
      this.#known.set(key, { response: undefined, timer });
      return false;
    }
    if (known.response !== undefined) this.#send(known.response);
    return true;
  }

  /** Keeps a response in case its request comes again. */
  sent(message: Buffer): void {
    const { isResponse, key } = describe(message);
    const known = isResponse && key !== undefined ? this.#known.get(key) : undefined;
    if (known !== undefined) known.response = message;
  }

  close(): void {
    for (const { timer } of this.#known.values()) clearTimeout(timer);
    this.#known.clear();
  }
}

/** A transaction is named by the branch of the topmost Via, its sent-by, and the method. @see RFC 3261 §17.2.3 */
function describe(message: Buffer): { readonly isResponse: boolean; readonly key: string | undefined } {
  const text = message.toString("latin1");
  const isResponse = text.startsWith("SIP/2.0 ");
  const via = /^(?:via|v)[ \t]*:[ \t]*SIP\/2\.0\/\w+[ \t]+([^\s;,]+)[^\r\n]*?;[ \t]*branch=([^;,\s]+)/im.exec(text);
  const method = /^cseq[ \t]*:[ \t]*\d+[ \t]+(\w+)/im.exec(text)?.[1];
  const isAbsorbed = via !== null && method !== undefined && method !== "INVITE" && method !== "ACK";
  return { isResponse, key: isAbsorbed ? `${via[1]} ${via[2]} ${method}` : undefined };
}
