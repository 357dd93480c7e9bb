import type { Load, Timing } from "../load.ts";
import { runLoad } from "../load.ts";
import { serveCommands } from "../process/serve-commands.ts";
import { connectAll } from "./pipes.ts";
import type { Framing, Pipe, Transport } from "./record.ts";
import { ACK_BYTES, cutter, RECORD_BYTES } from "./record.ts";

interface Write {
  missing: number;
  done(): void;
}

/** Long-lived connections to replicas, each record to all of them. */
class Replicas {
  readonly #pipes: readonly Pipe[];
  readonly #framing: Framing;
  readonly #writes = new Map<number, Write>();
  #queue: Buffer[] = [];
  #lastNumber = 0;

  constructor(pipes: readonly Pipe[], framing: Framing) {
    this.#pipes = pipes;
    this.#framing = framing;
    for (const pipe of pipes) pipe.onData(cutter(ACK_BYTES, (ack) => this.#acknowledged(ack.readUInt32LE())));
  }

  /** Resolves when so many replicas have acknowledged a record. */
  write(acknowledgements: number): Promise<void> {
    const number = (this.#lastNumber = (this.#lastNumber + 1) >>> 0);
    const record = Buffer.alloc(RECORD_BYTES);
    record.writeUInt32LE(number);
    if (this.#framing === "single") for (const pipe of this.#pipes) pipe.write(record);
    else this.#enqueue(record);
    return new Promise((done) => this.#writes.set(number, { missing: acknowledgements, done }));
  }

  #enqueue(record: Buffer): void {
    if (this.#queue.push(record) > 1) return;
    queueMicrotask(() => {
      const batch = Buffer.concat(this.#queue);
      this.#queue = [];
      for (const pipe of this.#pipes) pipe.write(batch);
    });
  }

  #acknowledged(number: number): void {
    const write = this.#writes.get(number);
    if (write === undefined || --write.missing > 0) return;
    this.#writes.delete(number);
    write.done();
  }
}

interface Connect {
  readonly transport: Transport;
  readonly addresses: readonly string[];
  readonly framing: Framing;
}

const connected: Replicas[] = [];

const commands = {
  /** Connects to replicas, and tells the handle to use them by. */
  async connect({ transport, addresses, framing }: Connect): Promise<number> {
    return connected.push(new Replicas(await connectAll[transport](addresses), framing)) - 1;
  },
  write({ handle, acknowledgements, load }: { handle: number; acknowledgements: number; load: Load }): Promise<Timing> {
    const replicas = connected[handle] as Replicas;
    return runLoad(load, () => replicas.write(acknowledgements));
  },
};

/** What the client can be asked. */
export type ClientCommands = typeof commands;

serveCommands(commands);
