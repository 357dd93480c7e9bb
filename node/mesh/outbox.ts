import type { Stream } from "@libp2p/interface";
import { frameHeaderBytes, frameType, writeFrame } from "../../dht-schema/link-frames.ts";
import { limits } from "../runtime/limits.ts";

interface QueuedFrame {
  readonly type: number;
  readonly body: Uint8Array;
}

/** What an outbox needs of a stream. */
export type OutboxStream = Pick<Stream, "send" | "writableNeedsDrain"> & {
  addEventListener(type: "drain", listener: () => void): void;
};

/**
 * Frames on their way to a stream. What is queued in one turn leaves as one write; while the stream is full they wait, up to a bound;
 * control frames overtake data. The octets of a message are read when it is written: the caller no longer changes them.
 */
export class Outbox {
  readonly #stream: OutboxStream;
  readonly #onFailure: (error: Error) => void;
  readonly #control: QueuedFrame[] = [];
  #data: Uint8Array[] = [];
  #next = 0;
  #dataBytes = 0;
  #scheduled = false;
  #blocked = false;
  #failed = false;
  readonly #onEmpty: (() => void)[] = [];
  framesOut = 0;
  bytesOut = 0;

  /** @param onFailure called when the stream refuses a write: it is closed, or closing */
  constructor(stream: OutboxStream, onFailure: (error: Error) => void) {
    this.#stream = stream;
    this.#onFailure = onFailure;
    stream.addEventListener("drain", () => {
      this.#blocked = false;
      this.#flush();
    });
  }

  /** Queues a control frame, ahead of all data. */
  control(type: number, body: Uint8Array): void {
    this.#control.push({ type, body });
    this.#schedule();
  }

  /** Queues a message; false, and nothing happens, when the queue is full. */
  data(message: Uint8Array): boolean {
    if (this.#dataBytes + message.length > limits.mesh.queueBytes) return false;
    this.#data.push(message);
    this.#dataBytes += message.length;
    this.#schedule();
    return true;
  }

  /** Writes now what is queued, as far as the stream takes it. */
  flush(): void {
    this.#flush();
  }

  /** Resolves when the stream has taken all that is queued, or will take nothing more. */
  emptied(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isDone) resolve();
      else this.#onEmpty.push(resolve);
    });
  }

  get #isDone(): boolean {
    return this.#failed || (this.#control.length === 0 && this.#next >= this.#data.length);
  }

  #schedule(): void {
    if (this.#scheduled || this.#blocked) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    try {
      while (!this.#blocked && (this.#control.length > 0 || this.#next < this.#data.length)) {
        const batch = this.#batch();
        this.bytesOut += batch.length;
        if (!this.#stream.send(batch)) this.#blocked = this.#stream.writableNeedsDrain;
      }
    } catch (error) {
      this.#blocked = true;
      this.#failed = true;
      this.#onFailure(error as Error);
    }
    if (this.#isDone) for (const resolve of this.#onEmpty.splice(0)) resolve();
  }

  /** As many whole frames as fit in one write; at least one. */
  #batch(): Uint8Array {
    const control = this.#control.splice(0);
    let size = 0;
    for (const { body } of control) size += frameHeaderBytes(body.length) + body.length;
    const first = this.#next;
    let end = first;
    for (; end < this.#data.length; end++) {
      const message = this.#data[end] as Uint8Array;
      const more = frameHeaderBytes(message.length) + message.length;
      if (size > 0 && size + more > limits.mesh.batchBytes) break;
      size += more;
      this.#dataBytes -= message.length;
    }
    const batch = Buffer.allocUnsafe(size);
    let at = 0;
    for (const { type, body } of control) at = writeFrame(batch, at, type, body);
    for (let i = first; i < end; i++) at = writeFrame(batch, at, frameType.data, this.#data[i] as Uint8Array);
    this.framesOut += control.length + end - first;
    this.#forget(end);
    return batch;
  }

  /** Lets go of what was written, in steps that keep the cost of a long queue linear. */
  #forget(end: number): void {
    if (end === this.#data.length) {
      this.#data = [];
      this.#next = 0;
    } else if (end > 1024 && end * 2 > this.#data.length) {
      this.#data = this.#data.slice(end);
      this.#next = 0;
    } else {
      this.#next = end;
    }
  }
}
