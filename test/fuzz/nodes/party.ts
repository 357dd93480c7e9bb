import type { Socket } from "node:dgram";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { Random } from "../random.ts";
import { spoiled } from "./spoil.ts";
import { answerTo, message, optional, pidf, tagged, valuesOf } from "./talk.ts";

/** A dialog as an answer made it. */
interface Dialog {
  readonly nodePort: number;
  readonly method: string;
  readonly answer: string;
}

const REMEMBERED = 200;
const SILENT_ONE_IN = 12;

/** All who share one socket: devices of a few users, or a server with its users. Says what it says well-formed or spoiled, and answers so. */
export class Party {
  readonly users: readonly string[];
  readonly #socket: Socket;
  readonly #random: Random;
  readonly #corpus: Buffer[] = [];
  readonly #dialogs: Dialog[] = [];
  readonly #recent: string[] = [];
  #said = 0;
  answersHeard = 0;
  requestsHeard = 0;

  private constructor(socket: Socket, users: readonly string[], random: Random) {
    this.#socket = socket;
    this.users = users;
    this.#random = random;
    socket.on("message", (octets, { port }) => this.#heard(octets.toString("latin1"), port));
  }

  static async open(users: readonly string[], random: Random): Promise<Party> {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    socket.setRecvBufferSize(1 << 22);
    return new Party(socket, users, random);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** What was sent last, oldest first. */
  get recent(): readonly string[] {
    return this.#recent;
  }

  close(): void {
    this.#socket.close();
  }

  /** A request outside of dialogs. */
  ask(
    nodePort: number,
    method: string,
    [from, to]: readonly [string, string],
    fields: readonly string[],
    body = "",
  ): void {
    this.#send(nodePort, this.#request(method, [from, to], fields, body));
  }

  /** As {@link ask}, well-formed. */
  askPlainly(nodePort: number, method: string, parties: readonly [string, string], fields: readonly string[]): void {
    this.#transmit(nodePort, Buffer.from(this.#request(method, parties, fields, ""), "latin1"));
  }

  /** Calls a device of this party, at whatever node it is, so that one session takes the place of another. */
  replace(nodePort: number, from: string, to: string): void {
    const fields = [`Contact: <${this.contactOf(from)}>`, "Replaces: a;to-tag=b;from-tag=c"];
    this.#send(nodePort, this.#request("INVITE", [from, to], fields, "", this.contactOf(to)));
  }

  contactOf(user: string): string {
    return `sip:${user}@127.0.0.1:${this.port}`;
  }

  /** A request within a dialog, if there is one. */
  goOn(): void {
    if (this.#dialogs.length === 0) return;
    const { nodePort, method: of, answer } = this.#random.pick(this.#dialogs);
    const inSession = ["ACK", "BYE", "INFO", "UPDATE", "MESSAGE", "REFER", "INVITE", "CANCEL"];
    const method = this.#random.pick(of === "INVITE" ? inSession : ["SUBSCRIBE", "SUBSCRIBE", "NOTIFY", "BYE"]);
    const target = /<([^>]*)>/.exec(valuesOf(answer, "Contact")[0] ?? "")?.[1] ?? "sip:example.com";
    const fields = [
      this.#via(),
      ...valuesOf(answer, "Record-Route")
        .toReversed()
        .map((route) => `Route: ${route}`),
      ...["From", "To", "Call-ID"].map((name) => `${name}: ${valuesOf(answer, name)[0] ?? ""}`),
      `CSeq: ${++this.#said + 10} ${method}`,
      "Max-Forwards: 70",
      ...(method === "SUBSCRIBE" ? ["Event: presence", `Expires: ${this.#random.pick(["0", "600"])}`] : []),
      `Contact: <${this.contactOf("dialog")}>`,
      ...optional(this.#random, 12),
    ];
    this.#send(nodePort, message(`${method} ${target} SIP/2.0`, fields));
  }

  #request(
    method: string,
    [from, to]: readonly [string, string],
    fields: readonly string[],
    body: string,
    uri = method === "REGISTER" ? "sip:example.com" : `sip:${to}@example.com`,
  ): string {
    const own = [
      this.#via(),
      "Max-Forwards: 70",
      `From: <sip:${from}@example.com>;tag=f${this.#said}`,
      `To: <sip:${to}@example.com>`,
      `Call-ID: c${this.#said}-${this.port}`,
      `CSeq: 1 ${method}`,
    ];
    return message(`${method} ${uri} SIP/2.0`, [...own, ...fields, ...optional(this.#random, 12)], body);
  }

  #via(): string {
    return `Via: SIP/2.0/UDP 127.0.0.1:${this.port};branch=z9hG4bK${++this.#said}-${this.port};rport`;
  }

  #heard(text: string, nodePort: number): void {
    if (text.startsWith("SIP/2.0")) {
      this.answersHeard++;
      const method = /\r\nCSeq: \d+ (\w+)/.exec(text)?.[1] ?? "";
      if (["INVITE", "SUBSCRIBE"].includes(method) && /\r\nTo:[^\r]*;tag=/.test(text))
        this.#remember({ nodePort, method, answer: text });
      return;
    }
    this.requestsHeard++;
    if (this.#random.below(SILENT_ONE_IN) === 0) return;
    const answer = answerTo(text, { contact: this.contactOf("device"), tag: `d${++this.#said}` }, this.#random);
    if (answer !== undefined) this.#send(nodePort, answer);
    if (text.startsWith("SUBSCRIBE") && this.#random.below(2) === 0) this.#notify(text, nodePort);
  }

  #remember(dialog: Dialog): void {
    this.#dialogs.push(dialog);
    if (this.#dialogs.length > REMEMBERED) this.#dialogs.shift();
  }

  /** To whoever has subscribed to a user or a device here. */
  #notify(subscribe: string, nodePort: number): void {
    const [from = "", to = "", callId = "", event = ""] = ["From", "To", "Call-ID", "Event"].map(
      (name) => valuesOf(subscribe, name)[0],
    );
    const target = /<([^>]*)>/.exec(valuesOf(subscribe, "Contact")[0] ?? "")?.[1] ?? "sip:example.com";
    const body = event === "presence" ? pidf(this.users[0] ?? "nobody") : "";
    const fields = [
      this.#via(),
      ...valuesOf(subscribe, "Record-Route").map((route) => `Route: ${route}`),
      `From: ${tagged(to, `d${this.#said}`)}`,
      `To: ${from}`,
      `Call-ID: ${callId}`,
      `CSeq: ${++this.#said} NOTIFY`,
      ...[
        "Max-Forwards: 70",
        `Event: ${event}`,
        "Subscription-State: active;expires=600",
        `Contact: <${this.contactOf("device")}>`,
      ],
      ...(body === "" ? [] : ["Content-Type: application/pidf+xml"]),
    ];
    this.#send(nodePort, message(`NOTIFY ${target} SIP/2.0`, fields, body));
  }

  /** Half of what is said is spoiled. */
  #send(nodePort: number, text: string): void {
    const octets = Buffer.from(text, "latin1");
    if (this.#corpus.length < REMEMBERED) this.#corpus.push(octets);
    else this.#corpus[this.#random.below(REMEMBERED)] = octets;
    this.#transmit(nodePort, this.#random.below(2) === 0 ? octets : spoiled(octets, this.#corpus, this.#random));
  }

  #transmit(nodePort: number, octets: Buffer): void {
    this.#recent.push(octets.toString("latin1"));
    if (this.#recent.length > 4) this.#recent.shift();
    // One that does not fit into a datagram is not sent.
    if (octets.length > 0) this.#socket.send(octets, nodePort, "127.0.0.1", () => {});
  }
}
