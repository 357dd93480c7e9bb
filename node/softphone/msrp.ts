import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";
import { connect, createServer } from "node:net";

/** Larger than any text that a person writes: what exceeds it cannot be trusted, and the connection is closed. */
const FRAME_MAX = 256 * 1024;
const randomId = () => randomBytes(9).toString("base64url").replaceAll(/[-_]/g, "0");

/** One request or response of MSRP. @see RFC 4975 §7 */
interface MsrpFrame {
  readonly id: string;
  /** `SEND`, or a status. */
  readonly what: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/**
 * One end of an MSRP session for text, over TCP and without relays: who offered connects.
 * Each message is one chunk, and acknowledged by its receiver.
 * @see RFC 4975
 */
export class MsrpEnd {
  readonly path: string;
  readonly #host: string;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  readonly #waiting = new Map<string, (status: number) => void>();
  readonly #onText: (text: string) => void;
  #remotePath: string | undefined;
  #connection: Socket | undefined;
  #connected = Promise.withResolvers<Socket>();

  private constructor(server: Server, host: string, onText: (text: string) => void) {
    this.#server = server;
    this.#host = host;
    this.#onText = onText;
    this.path = `msrp://${host}:${(server.address() as AddressInfo).port}/${randomId()};tcp`;
    server.on("connection", (socket) => this.#read(socket));
  }

  /** Listens at `host`; `onText` gets each message that arrives. */
  static async listen(host: string, onText: (text: string) => void): Promise<MsrpEnd> {
    const server = createServer();
    server.listen({ host, port: 0 });
    await once(server, "listening");
    return new MsrpEnd(server, host, onText);
  }

  /** What SDP says of this end. @see RFC 4975 §8 */
  describe(): string {
    const family = this.#host.includes(":") ? "IP6" : "IP4";
    const { port } = this.#server.address() as AddressInfo;
    const lines = [
      "v=0",
      `o=- ${Date.now()} 1 IN ${family} ${this.#host}`,
      "s=-",
      `c=IN ${family} ${this.#host}`,
      "t=0 0",
    ];
    lines.push(`m=message ${port} TCP/MSRP *`, "a=accept-types:text/plain", `a=path:${this.path}`);
    return lines.map((line) => `${line}\r\n`).join("");
  }

  /**
   * Learns the other end from its SDP.
   * @param active whether this end offered, and so connects
   * @throws {Error} when the SDP describes no MSRP over TCP
   */
  meet(sdp: string, active: boolean): void {
    const path = /^a=path:(msrp:\/\/\[?([^\s\]/]+?)\]?:(\d+)\/[^\s;]+;tcp)\s*$/m.exec(sdp);
    if (path === null) throw new Error("The other side offers no MSRP over TCP.");
    this.#remotePath = path[1];
    if (!active || this.#connection !== undefined) return;
    const socket = connect({ host: path[2] as string, port: Number(path[3]) });
    this.#read(socket);
    socket.once("connect", () => {
      this.#connection = socket;
      // §5.4: the other side learns from it which session the connection is for.
      socket.write(this.#frame(randomId(), "SEND", [["Message-ID", randomId()]]));
      this.#connected.resolve(socket);
    });
  }

  /** Resolves with the status that the receiver answered, 408 where none came in time. */
  async send(text: string): Promise<number> {
    const socket = await this.#connected.promise;
    const id = randomId();
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#waiting.set(id, resolve);
    const timer = setTimeout(() => resolve(408), 30_000);
    const size = Buffer.byteLength(text);
    const headers: [string, string][] = [
      ["Message-ID", randomId()],
      ["Byte-Range", `1-${size}/${size}`],
      ["Content-Type", "text/plain"],
    ];
    socket.write(this.#frame(id, "SEND", headers, text));
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(id);
    });
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#connections) socket.destroy();
    for (const resolve of this.#waiting.values()) resolve(408);
    this.#connected.promise.catch(() => {});
    this.#connected.reject(new Error("The session has ended."));
  }

  #read(socket: Socket): void {
    let unread = Buffer.alloc(0);
    this.#connections.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#connections.delete(socket));
    socket.on("data", (chunk: Buffer) => {
      unread = Buffer.concat([unread, chunk]);
      for (let taken = takeFrame(unread); taken !== undefined; taken = takeFrame(unread)) {
        unread = taken.rest;
        this.#receive(socket, taken.frame);
      }
      if (unread.length > FRAME_MAX) socket.destroy();
    });
  }

  #receive(socket: Socket, { id, what, headers, body }: MsrpFrame): void {
    if (what !== "SEND") return this.#waiting.get(id)?.(Number(what));
    if (headers.get("to-path") !== this.path) return void socket.write(this.#frame(id, "481 No Such Session"));
    if (this.#connection === undefined) {
      this.#connection = socket;
      this.#connected.resolve(socket);
    }
    socket.write(this.#frame(id, "200 OK"));
    if (headers.has("content-type")) this.#onText(body);
  }

  #frame(id: string, what: string, headers: readonly (readonly [string, string])[] = [], body?: string): string {
    const paths = [["To-Path", this.#remotePath ?? ""] as const, ["From-Path", this.path] as const];
    const head = [...paths, ...headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
    return `MSRP ${id} ${what}\r\n${head}${body === undefined ? "" : `\r\n${body}\r\n`}-------${id}$\r\n`;
  }
}

/** The first whole frame of what arrived, and what follows it. */
function takeFrame(octets: Buffer): { readonly frame: MsrpFrame; readonly rest: Buffer<ArrayBuffer> } | undefined {
  const firstEnd = octets.indexOf("\r\n");
  const [protocol, id = "", what = ""] = octets.subarray(0, Math.max(firstEnd, 0)).toString().split(" ");
  if (protocol !== "MSRP") return undefined;
  const endLine = `\r\n-------${id}$\r\n`;
  const end = octets.indexOf(endLine);
  if (end < 0) return undefined;
  const text = octets.subarray(firstEnd + 2, end).toString();
  const blank = text.indexOf("\r\n\r\n");
  const head = blank < 0 ? text : text.slice(0, blank);
  const headers = new Map<string, string>();
  for (const line of head.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  const frame = { id, what, headers, body: blank < 0 ? "" : text.slice(blank + 4) };
  return { frame, rest: Buffer.from(octets.subarray(end + endLine.length)) };
}
