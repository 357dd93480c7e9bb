const t1Ms = 500;
const t2Ms = 4000;
const timerFMs = 64 * t1Ms;

interface Pending {
  intervalMs: number;
  leftMs: number;
  timer: NodeJS.Timeout;
}

/**
 * Timer E for requests over UDP, which SIP.js lacks: without it one lost datagram costs the whole request.
 * @see RFC 3261 §17.1.2.2
 */
export class Retransmitter {
  readonly #send: (message: Buffer) => void;
  readonly #pending = new Map<string, Pending>();

  constructor(send: (message: Buffer) => void) {
    this.#send = send;
  }

  /** Repeats a request, at growing intervals, until its final response or 32 s. Responses are not repeated here. */
  sent(message: Buffer): void {
    const { isResponse, branch } = describe(message);
    if (isResponse || branch === undefined) return;
    this.#pending.set(branch, { intervalMs: t1Ms, leftMs: timerFMs, timer: this.#arm(branch, message, t1Ms) });
  }

  /** A final response ends the repetition, a provisional one slows it down. */
  received(message: Buffer): void {
    const { isResponse, isProvisional, branch } = describe(message);
    const pending = branch === undefined || !isResponse ? undefined : this.#pending.get(branch);
    if (pending === undefined) return;
    if (isProvisional) pending.intervalMs = t2Ms;
    else this.#forget(branch!, pending);
  }

  close(): void {
    for (const [branch, pending] of this.#pending) this.#forget(branch, pending);
  }

  #arm(branch: string, message: Buffer, afterMs: number): NodeJS.Timeout {
    return setTimeout(() => this.#fire(branch, message), afterMs);
  }

  #fire(branch: string, message: Buffer): void {
    const pending = this.#pending.get(branch);
    if (pending === undefined) return;
    pending.leftMs -= pending.intervalMs;
    if (pending.leftMs <= 0) return this.#forget(branch, pending);
    this.#send(message);
    pending.intervalMs = Math.min(2 * pending.intervalMs, t2Ms);
    pending.timer = this.#arm(branch, message, pending.intervalMs);
  }

  #forget(branch: string, pending: Pending): void {
    clearTimeout(pending.timer);
    this.#pending.delete(branch);
  }
}

function describe(message: Buffer): { isResponse: boolean; isProvisional: boolean; branch: string | undefined } {
  const text = message.toString("latin1");
  const isResponse = text.startsWith("SIP/2.0 ");
  return {
    isResponse,
    isProvisional: isResponse && text[8] === "1",
    branch: /^(?:via|v)[ \t]*:.*?;[ \t]*branch=([^;,\s]+)/im.exec(text)?.[1],
  };
}
