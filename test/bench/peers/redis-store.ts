import { once } from "node:events";
import type { Socket } from "node:net";
import { connect } from "node:net";
import type { Ports, Store, Token } from "./store.ts";

type Reply = string | number | null | Error | Reply[];

/** Compare and set, and tell whoever watches. */
const REPLACE = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2]) redis.call('PUBLISH', KEYS[1], ARGV[2]) return 1`;

/** One connection to Redis, commands pipelined. @see https://redis.io/docs/latest/develop/reference/protocol-spec/ */
export class RedisConnection {
  readonly #socket: Socket;
  readonly #waiting: ((reply: Reply) => void)[] = [];
  readonly #onMessage: ((channel: string, message: string) => void) | undefined;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket, onMessage: ((channel: string, message: string) => void) | undefined) {
    this.#socket = socket;
    this.#onMessage = onMessage;
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk) => this.#receive(chunk));
  }

  static async open(port: number, onMessage?: (channel: string, message: string) => void): Promise<RedisConnection> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new RedisConnection(socket, onMessage);
  }

  /** Sends commands as one write; their replies in order. */
  send(commands: readonly (readonly string[])[]): Promise<Reply>[] {
    const text = commands.map((words) => `*${words.length}\r\n${words.map(bulk).join("")}`).join("");
    const replies = commands.map(() => new Promise<Reply>((resolve) => this.#waiting.push(resolve)));
    this.#socket.write(text);
    return replies;
  }

  #receive(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (let read = readReply(bytes, at); read !== undefined; read = readReply(bytes, at)) {
      at = read.end;
      const { reply } = read;
      if (this.#onMessage !== undefined && Array.isArray(reply) && reply[0] === "pmessage") {
        this.#onMessage(reply[2] as string, reply[3] as string);
      } else this.#waiting.shift()?.(reply);
    }
    this.#rest = bytes.subarray(at);
  }
}

function bulk(word: string): string {
  return `$${Buffer.byteLength(word)}\r\n${word}\r\n`;
}

function readReply(bytes: Buffer, start: number): { readonly reply: Reply; readonly end: number } | undefined {
  const lineEnd = bytes.indexOf("\r\n", start);
  if (lineEnd < 0) return undefined;
  const line = bytes.toString("latin1", start + 1, lineEnd);
  let end = lineEnd + 2;
  switch (String.fromCharCode(bytes[start] as number)) {
    case "+":
      return { reply: line, end };
    case "-":
      return { reply: new Error(line), end };
    case ":":
      return { reply: Number(line), end };
    case "$": {
      const length = Number(line);
      if (length < 0) return { reply: null, end };
      if (bytes.length < end + length + 2) return undefined;
      return { reply: bytes.toString("utf8", end, end + length), end: end + length + 2 };
    }
    default: {
      const items: Reply[] = [];
      for (let left = Number(line); left > 0; left--) {
        const item = readReply(bytes, end);
        if (item === undefined) return undefined;
        items.push(item.reply);
        end = item.end;
      }
      return { reply: items, end };
    }
  }
}

interface Write {
  readonly command: readonly string[];
  settle(took: boolean): void;
}

/**
 * Redis with two replicas. A write counts when one replica has it (`WAIT 1`), so that a majority does; what one turn of the
 * event loop writes waits once.
 */
export async function openRedis(ports: Ports): Promise<Store> {
  const port = ports[0] as number;
  const connection = await RedisConnection.open(port);
  let queue: Write[] = [];
  const flush = async () => {
    const writes = queue;
    queue = [];
    const replies = await Promise.all(
      connection.send([...writes.map(({ command }) => command), ["WAIT", "1", "5000"]]),
    );
    const replicas = replies.at(-1) as number;
    for (const [index, { settle }] of writes.entries()) {
      const reply = replies[index];
      settle(replicas >= 1 && (reply === "OK" || reply === 1));
    }
  };
  const write = (command: readonly string[]): Promise<boolean> =>
    new Promise((settle) => {
      if (queue.push({ command, settle }) === 1) queueMicrotask(() => void flush());
    });
  const took =
    (value: string) =>
    (isDone: boolean): Token | undefined =>
      isDone ? value : undefined;
  return {
    create: (key, value) => write(["SET", key, value, "NX"]).then(took(value)),
    replace: (key, expected, value) => write(["EVAL", REPLACE, "1", key, expected, value]).then(took(value)),
    async read(key) {
      return ((await connection.send([["GET", key]])[0]) as string | null) ?? undefined;
    },
    async watch(prefix, onValue) {
      const subscriber = await RedisConnection.open(ports[1] as number, onValue);
      await Promise.all(subscriber.send([["PSUBSCRIBE", `${prefix}*`]]));
    },
  };
}
