import type { Batch } from "../../../dht-schema/directory-messages.ts";

/** A batch and the server that sent it. */
export interface HeldBatch {
  readonly from: number;
  readonly batch: Batch;
}

/**
 * What servers that are ahead in roster version have sent: it has a meaning only under their roster, which is on the way.
 * What does not fit is dropped whole, as if lost with a link: whoever sent it asks again.
 */
export class HeldBatches {
  readonly #maxMessages: number;
  #batches: HeldBatch[] = [];
  #messages = 0;

  constructor(maxMessages: number) {
    this.#maxMessages = maxMessages;
  }

  keep(from: number, batch: Batch): void {
    if (this.#messages + batch.messages.length > this.#maxMessages) return;
    this.#messages += batch.messages.length;
    this.#batches.push({ from, batch });
  }

  /** All that is kept, in the order in which it came. Nothing is kept afterwards. */
  take(): readonly HeldBatch[] {
    const batches = this.#batches;
    this.#batches = [];
    this.#messages = 0;
    return batches;
  }
}
