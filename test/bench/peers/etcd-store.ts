import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { connect } from "node:http2";
import { field, fieldsOf, message } from "./protobuf.ts";
import type { Ports, Store, Token } from "./store.ts";

/** gRPC's frame: not compressed, length, message. @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
const FRAME_BYTES = 5;

/** One connection to an etcd server. */
export class EtcdConnection {
  readonly #session: ClientHttp2Session;

  constructor(port: number) {
    this.#session = connect(`http://127.0.0.1:${port}`);
    this.#session.on("error", () => this.#session.destroy());
  }

  /** One request, one response. @throws where there is none */
  call(method: string, request: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const stream = this.#open(method);
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", reject);
      stream.on("close", () => {
        const body = Buffer.concat(chunks);
        if (body.length < FRAME_BYTES) reject(new Error(`etcd did not answer ${method}`));
        else resolve(body.subarray(FRAME_BYTES));
      });
      stream.end(framed(request));
    });
  }

  /** One request, responses until the connection ends. */
  listen(method: string, request: Buffer, onResponse: (response: Buffer) => void): void {
    const stream = this.#open(method);
    let rest: Buffer = Buffer.alloc(0);
    stream.on("error", () => stream.close());
    stream.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        const end = rest.length < FRAME_BYTES ? Infinity : FRAME_BYTES + rest.readUInt32BE(1);
        if (rest.length < end) return;
        onResponse(rest.subarray(FRAME_BYTES, end));
        rest = rest.subarray(end);
      }
    });
    stream.write(framed(request));
  }

  #open(method: string): ClientHttp2Stream {
    return this.#session.request({
      ":method": "POST",
      ":path": `/etcdserverpb.${method}`,
      "content-type": "application/grpc",
      te: "trailers",
    });
  }
}

function framed(request: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_BYTES);
  head.writeUInt32BE(request.length, 1);
  return Buffer.concat([head, request]);
}

/** Whether the server at a port leads the cluster; `undefined` while there is no leader. */
export async function leads(connection: EtcdConnection): Promise<boolean | undefined> {
  const status = await connection.call("Maintenance/Status", Buffer.alloc(0));
  const member = field(field(status, 1) as Buffer, 2);
  const leader = field(status, 4);
  return leader === undefined || leader === 0n ? undefined : leader === member;
}

const EQUAL = 0;
const VERSION = 0;
const VALUE = 3;

/** etcd by transactions; reads are linearizable. */
export function openEtcd(ports: Ports): Promise<Store> {
  // Not at the leader: it may be killed.
  const connection = new EtcdConnection(ports[1] as number);
  const put = async (compare: Buffer, key: string, value: string): Promise<Token | undefined> => {
    const success = message([2, message([1, key], [2, value])]);
    const response = await connection.call("KV/Txn", message([1, compare], [2, success]));
    return field(response, 2) === 1n ? value : undefined;
  };
  return Promise.resolve({
    create: (key, value) => put(message([1, EQUAL], [2, VERSION], [3, key], [4, 0]), key, value),
    replace: (key, expected, value) => put(message([1, EQUAL], [2, VALUE], [3, key], [7, expected]), key, value),
    async read(key) {
      const response = await connection.call("KV/Range", message([1, key]));
      const pair = field(response, 2) as Buffer | undefined;
      return pair && (field(pair, 5) as Buffer).toString();
    },
    watch(prefix, onValue) {
      const watcher = new EtcdConnection(ports[2] as number);
      // The range of a prefix ends where its last character is the next one.
      const end = prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
      return new Promise((resolve) => {
        watcher.listen("Watch/Watch", message([1, message([1, prefix], [2, end])]), (response) => {
          for (const [number, value] of fieldsOf(response)) {
            if (number === 3) resolve();
            if (number !== 11) continue;
            const pair = field(value as Buffer, 2) as Buffer;
            onValue((field(pair, 1) as Buffer).toString(), (field(pair, 5) as Buffer).toString());
          }
        });
      });
    },
  });
}
