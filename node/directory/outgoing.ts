import type { Batch } from "../../dht-schema/directory-messages.ts";

/** A batch and the number of the server that it is for. */
export interface OutgoingBatch {
  readonly to: number;
  readonly batch: Batch;
}

/** Of up to 512 messages, at some microseconds each. */
const BATCHES_A_TURN = 8;

/**
 * Sends batches in order, some in each turn of the event loop. When a server is back all of this one's watches and ownerships are said again, and servers give up a link on which they
 * hear nothing for longer than it takes to write those of 100,000 users.
 */
export class Outgoing {
  readonly #send: (to: number, batch: Batch) => void;
  #waiting: OutgoingBatch[] = [];
  #next = 0;

  constructor(send: (to: number, batch: Batch) => void) {
    this.#send = send;
  }

  push(batches: readonly OutgoingBatch[]): void {
    const isUnderWay = this.#waiting.length > 0;
    for (const batch of batches) this.#waiting.push(batch);
    if (!isUnderWay) this.#sendUpTo(BATCHES_A_TURN);
  }

  /** Sends what is left at once: there are no more turns. */
  finish(): void {
    this.#sendUpTo(Infinity);
  }

  #sendUpTo(count: number): void {
    const end = Math.min(this.#waiting.length, this.#next + count);
    while (this.#next < end) {
      const { to, batch } = this.#waiting[this.#next++] as OutgoingBatch;
      this.#send(to, batch);
    }
    if (end === this.#waiting.length) {
      this.#waiting = [];
      this.#next = 0;
    } else setImmediate(() => this.#sendUpTo(BATCHES_A_TURN));
  }
}
