import type { Socket } from "node:dgram";
import { createSocket } from "node:dgram";
import { once } from "node:events";

/** The simplest client there is: registers a user over UDP, for nodes that do not ask for a password. */
export class Phone {
  readonly #socket: Socket;
  readonly #user: string;
  #cseq = 0;

  private constructor(socket: Socket, user: string) {
    this.#socket = socket;
    this.#user = user;
  }

  static async open(user: string): Promise<Phone> {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    return new Phone(socket, user);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Status of the final response. */
  register(port: number, expiresSeconds = 600): Promise<number> {
    const { port: own } = this.#socket.address();
    return this.#ask("REGISTER", "sip:example.com", `sip:${this.#user}@example.com`, port, [
      `Contact: <sip:${this.#user}@127.0.0.1:${own}>`,
      `Expires: ${expiresSeconds}`,
    ]);
  }

  /** Status of the final response. */
  message(port: number, to: string, text: string): Promise<number> {
    const address = `sip:${to}@example.com`;
    return this.#ask("MESSAGE", address, address, port, ["Content-Type: text/plain"], text);
  }

  async #ask(method: string, uri: string, to: string, port: number, fields: string[], body = ""): Promise<number> {
    const { port: own } = this.#socket.address();
    this.#cseq += 1;
    const request = [
      `${method} ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${own};branch=z9hG4bK${own}x${this.#cseq};rport`,
      "Max-Forwards: 70",
      `From: <sip:${this.#user}@example.com>;tag=t${this.#cseq}`,
      `To: <${to}>`,
      `Call-ID: ${own}@127.0.0.1`,
      `CSeq: ${this.#cseq} ${method}`,
      ...fields,
      `Content-Length: ${Buffer.byteLength(body)}`,
      "",
      body,
    ].join("\r\n");
    this.#socket.send(request, port, "127.0.0.1");
    for (;;) {
      const [message] = (await once(this.#socket, "message")) as [Buffer];
      const status = Number(/^SIP\/2\.0 (\d{3})/.exec(message.toString())?.[1]);
      if (status >= 200) return status;
    }
  }

  close(): void {
    this.#socket.close();
  }
}
