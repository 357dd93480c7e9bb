import { once } from "node:events";
import type { Socket } from "node:net";
import { connect } from "node:net";
import type { Ports, Store } from "./store.ts";

const BUCKET = "users";
export const STREAM = `KV_${BUCKET}`;
const SUBJECT = `$KV.${BUCKET}.`;
const MISSING_STATUS = "404";

interface Message {
  readonly subject: string;
  readonly headers: string;
  readonly payload: string;
}

/** One connection to a NATS server. @see https://docs.nats.io/reference/reference-protocols/nats-protocol */
export class NatsConnection {
  readonly #socket: Socket;
  readonly #inbox = `_INBOX.${process.pid}-${Math.random().toString(36).slice(2)}`;
  readonly #waiting = new Map<string, (message: Message) => void>();
  readonly #subscriptions = new Map<string, (message: Message) => void>();
  #rest: Buffer = Buffer.alloc(0);
  #queue = "";
  #lastRequest = 0;
  #lastSubscription = 1;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk) => this.#receive(chunk));
    const options = { verbose: false, pedantic: false, headers: true, no_responders: true, lang: "node", version: "1" };
    this.#send(`CONNECT ${JSON.stringify(options)}\r\nSUB ${this.#inbox}.* 1\r\n`);
    this.#subscriptions.set("1", (message) => {
      const token = message.subject.slice(this.#inbox.length + 1);
      this.#waiting.get(token)?.(message);
      this.#waiting.delete(token);
    });
  }

  static async open(port: number): Promise<NatsConnection> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new NatsConnection(socket);
  }

  request(subject: string, payload = "", headers = ""): Promise<Message> {
    const token = String(++this.#lastRequest);
    const reply = `${this.#inbox}.${token}`;
    const size = Buffer.byteLength(payload);
    if (headers === "") this.#send(`PUB ${subject} ${reply} ${size}\r\n${payload}\r\n`);
    else {
      const head = `NATS/1.0\r\n${headers}\r\n\r\n`;
      this.#send(`HPUB ${subject} ${reply} ${head.length} ${head.length + size}\r\n${head}${payload}\r\n`);
    }
    return new Promise((resolve) => this.#waiting.set(token, resolve));
  }

  /** A request of the JetStream API. @throws what it refuses */
  async api(name: string, body: unknown): Promise<Record<string, unknown>> {
    const { payload, headers } = await this.request(`$JS.API.${name}`, JSON.stringify(body));
    if (payload === "") throw new Error(`${name}: ${headers.trim()}`);
    const answer = JSON.parse(payload) as Record<string, unknown>;
    if (answer["error"] !== undefined) throw new Error(`${name}: ${JSON.stringify(answer["error"])}`);
    return answer;
  }

  subscribe(subject: string, onMessage: (message: Message) => void): void {
    const id = String(++this.#lastSubscription);
    this.#subscriptions.set(id, onMessage);
    this.#send(`SUB ${subject} ${id}\r\n`);
  }

  #send(text: string): void {
    if (this.#queue === "") {
      queueMicrotask(() => {
        this.#socket.write(this.#queue);
        this.#queue = "";
      });
    }
    this.#queue += text;
  }

  #receive(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (;;) {
      const lineEnd = bytes.indexOf("\r\n", at);
      if (lineEnd < 0) break;
      const words = bytes.toString("latin1", at, lineEnd).split(" ");
      const [verb, subject = "", id = ""] = words;
      const bodyAt = lineEnd + 2;
      if (verb === "MSG" || verb === "HMSG") {
        const total = Number(words.at(-1));
        const head = verb === "HMSG" ? Number(words.at(-2)) : 0;
        if (bytes.length < bodyAt + total + 2) break;
        const headers = bytes.toString("latin1", bodyAt, bodyAt + head);
        const payload = bytes.toString("utf8", bodyAt + head, bodyAt + total);
        this.#subscriptions.get(id)?.({ subject, headers, payload });
        at = bodyAt + total + 2;
        continue;
      }
      if (verb === "PING") this.#send("PONG\r\n");
      at = bodyAt;
    }
    this.#rest = bytes.subarray(at);
  }
}

/** A key-value bucket of three replicas in memory; the name of the server that leads it. */
export async function createBucket(connection: NatsConnection): Promise<string | undefined> {
  const answer = await connection.api(`STREAM.CREATE.${STREAM}`, {
    name: STREAM,
    subjects: [`${SUBJECT}>`],
    max_msgs_per_subject: 1,
    num_replicas: 3,
    storage: "memory",
    discard: "new",
    allow_rollup_hdrs: true,
    deny_delete: true,
    allow_direct: true,
  });
  return (answer["cluster"] as { leader?: string } | undefined)?.leader;
}

/** JetStream key-value as its clients use it: revisions compared by the server, values read from any replica. */
export async function openNats(ports: Ports): Promise<Store> {
  // Not at the leader: it may be killed.
  const connection = await NatsConnection.open(ports[1] as number);
  const put = async (key: string, value: string, revision: string) => {
    const headers = `Nats-Expected-Last-Subject-Sequence: ${revision}`;
    const { payload } = await connection.request(SUBJECT + key, value, headers);
    if (payload === "") return undefined;
    const answer = JSON.parse(payload) as { readonly error?: unknown; readonly seq?: number };
    return answer.error === undefined && answer.seq !== undefined ? String(answer.seq) : undefined;
  };
  return {
    create: (key, value) => put(key, value, "0"),
    replace: (key, expected, value) => put(key, value, expected),
    async read(key) {
      const { headers, payload } = await connection.request(`$JS.API.DIRECT.GET.${STREAM}.${SUBJECT}${key}`);
      return headers.startsWith(`NATS/1.0 ${MISSING_STATUS}`) ? undefined : payload;
    },
    async watch(prefix, onValue) {
      const watcher = await NatsConnection.open(ports[2] as number);
      const deliver = `_DELIVER.${process.pid}.${Math.random().toString(36).slice(2)}`;
      watcher.subscribe(deliver, ({ subject, payload }) => {
        const key = subject.slice(SUBJECT.length);
        if (key.startsWith(prefix)) onValue(key, payload);
      });
      await watcher.api(`CONSUMER.CREATE.${STREAM}`, {
        stream_name: STREAM,
        config: {
          deliver_subject: deliver,
          deliver_policy: "new",
          ack_policy: "none",
          replay_policy: "instant",
          filter_subject: `${SUBJECT}>`,
        },
      });
    },
  };
}
