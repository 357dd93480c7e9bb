import { randomBytes } from "node:crypto";
import type { Socket } from "node:dgram";
import { createSocket } from "node:dgram";
import { once } from "node:events";

/** A request to a server on this machine. */
export interface Ask {
  readonly method: string;
  /** UDP port of the server. */
  readonly port: number;
  readonly uri: string;
  /** Address in From. @default that of the agent */
  readonly from?: string;
  /** Value of To. @default the user in From */
  readonly to?: string;
  /** @default one of its own */
  readonly callId?: string;
  readonly headers?: readonly string[];
  readonly body?: string;
}

/** Its final response. */
export interface Told {
  readonly status: number;
  readonly text: string;
}

const AGAIN_MS = 500;
const GIVE_UP_MS = 10_000;

/** The least of a SIP client over UDP: asks, repeats what is not answered, and answers 200 to whatever it is told. */
export class UserAgent {
  readonly aor: string;
  /** Called for each request that came, retransmissions included, when its answer has left. */
  onRequest: (text: string) => void = () => {};
  readonly #socket: Socket;
  readonly #waiting = new Map<number, (told: Told) => void>();
  /** Ports come back: it tells this agent's requests from those of one that had its port before. */
  readonly #id = randomBytes(6).toString("hex");
  #cseq = 0;

  private constructor(socket: Socket, user: string) {
    this.#socket = socket;
    this.aor = `sip:${user}@example.com`;
    socket.on("message", (bytes, remote) => this.#receive(bytes.toString("latin1"), remote.port));
  }

  static async open(user: string): Promise<UserAgent> {
    const socket = createSocket({
      type: "udp4",
      lookup: (host, _options, callback) => callback(null, host, 4),
    });
    const listening = once(socket, "listening");
    socket.bind(0, "127.0.0.1");
    await listening;
    return new UserAgent(socket, user);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  get contact(): string {
    return `sip:bench@127.0.0.1:${this.port}`;
  }

  /** A Call-ID of this agent that it has not used. */
  freshCallId(): string {
    return `${this.#id}-${this.#cseq}`;
  }

  /** @throws {Error} when no final response comes in time */
  async ask({
    method,
    port,
    uri,
    from = this.aor,
    to = `<${from}>`,
    callId = from === this.aor ? this.#id : `${this.#id}-${method}-${from}`,
    headers = [],
    body = "",
  }: Ask): Promise<Told> {
    const { port: own } = this;
    const cseq = ++this.#cseq;
    const request = [
      `${method} ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${own};branch=z9hG4bK${this.#id}x${cseq};rport`,
      "Max-Forwards: 70",
      `From: <${from}>;tag=${this.#id}`,
      `To: ${to}`,
      `Call-ID: ${callId}`,
      `CSeq: ${cseq} ${method}`,
      ...headers,
      `Content-Length: ${Buffer.byteLength(body)}`,
      "",
      body,
    ].join("\r\n");
    const { promise, resolve, reject } = Promise.withResolvers<Told>();
    this.#waiting.set(cseq, resolve);
    const send = (): void => this.#socket.send(request, port, "127.0.0.1");
    const again = setInterval(send, AGAIN_MS);
    const giveUp = setTimeout(() => reject(new Error(`no answer to ${method}`)), GIVE_UP_MS);
    send();
    try {
      return await promise;
    } finally {
      clearInterval(again);
      clearTimeout(giveUp);
      this.#waiting.delete(cseq);
    }
  }

  close(): void {
    this.#socket.close();
  }

  #receive(text: string, from: number): void {
    if (!text.startsWith("SIP/2.0 ")) {
      this.#socket.send(okTo(text), from, "127.0.0.1");
      return this.onRequest(text);
    }
    const status = Number(text.slice(8, 11));
    if (status >= 200) this.#waiting.get(Number.parseInt(fieldOf(text, "CSeq"), 10))?.({ status, text });
  }
}

/** Value of a header field by its usual name; "" without it. */
export function fieldOf(text: string, name: string): string {
  const at = text.indexOf(`\r\n${name}: `);
  return at < 0 ? "" : text.slice(at + name.length + 4, text.indexOf("\r\n", at + 2));
}

/** Address in a Contact, without parameters of the field. */
export function contactOf(text: string): string {
  const value = fieldOf(text, "Contact");
  return /<([^>]*)>/.exec(value)?.[1] ?? value;
}

const COPIED = ["Via: ", "From: ", "To: ", "Call-ID: ", "CSeq: "];

/** A 200 to a request, with what has to be copied into it. */
export function okTo(request: string): string {
  let answer = "SIP/2.0 200 OK\r\n";
  for (let at = request.indexOf("\r\n") + 2; ;) {
    const end = request.indexOf("\r\n", at);
    if (end <= at) return `${answer}Content-Length: 0\r\n\r\n`;
    if (COPIED.some((name) => request.startsWith(name, at))) answer += request.slice(at, end + 2);
    at = end + 2;
  }
}
