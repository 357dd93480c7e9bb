import { serveCommands } from "../process/serve-commands.ts";
import { listen } from "./pipes.ts";
import type { Framing, Pipe, Transport } from "./record.ts";
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

function serve(pipe: Pipe, framing: Framing): void {
  let acks: Buffer[] = [];
  const cut = cutter(RECORD_BYTES, (record) => {
    const ack = store(record);
    if (framing === "single") pipe.write(ack);
    else acks.push(ack);
  });
  pipe.onData((chunk) => {
    cut(chunk);
    if (acks.length === 0) return;
    pipe.write(Buffer.concat(acks));
    acks = [];
  });
}

const commands = {
  /** Listens, and tells where. */
  listen: ({ transport, framing }: { transport: Transport; framing: Framing }): Promise<string> =>
    listen[transport]((pipe) => serve(pipe, framing)),
};

/** What a replica can be asked. */
export type ReplicaCommands = typeof commands;

serveCommands(commands);
