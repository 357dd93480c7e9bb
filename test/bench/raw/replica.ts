import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:net";
import { once } from "node:events";
import { serveCommands } from "../process/serve-commands.ts";
import type { Framing } from "./record.ts";
import { ACK_BYTES, cutter, RECORD_BYTES } from "./record.ts";

/** Records that are kept: the newest ones. */
const KEPT = 65_536;
const log = Buffer.alloc(KEPT * RECORD_BYTES);
let stored = 0;

/** Keeps a record in memory and acknowledges it: all that a replica cannot leave out. */
function store(record: Buffer): Buffer {
  record.copy(log, (stored++ % KEPT) * RECORD_BYTES);
  return record.subarray(0, ACK_BYTES);
}

function serve(socket: Socket, framing: Framing): void {
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  let acks: Buffer[] = [];
  const cut = cutter(RECORD_BYTES, (record) => {
    const ack = store(record);
    if (framing === "single") socket.write(ack);
    else acks.push(ack);
  });
  socket.on("data", (chunk) => {
    cut(chunk);
    if (acks.length === 0) return;
    socket.write(Buffer.concat(acks));
    acks = [];
  });
}

const commands = {
  /** Listens, and tells the port. */
  async listen(framing: Framing): Promise<number> {
    const server = createServer((socket) => serve(socket, framing));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  },
};

/** What a replica can be asked. */
export type ReplicaCommands = typeof commands;

serveCommands(commands);
