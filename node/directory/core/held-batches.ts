import type { Batch } from "../../../dht-schema/directory-messages.ts";
import { isShareLeft } from "../../runtime/share.ts";

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
  readonly #messagesOf = new Map<number, number>();

  constructor(maxMessages: number) {
    this.#maxMessages = maxMessages;
  }

  keep(from: number, batch: Batch): void {
    const more = batch.messages.length;
    const held = this.#messagesOf.get(from) ?? 0;
    // A server that claims to be ahead for ever must not keep those out who are.
    if (!isShareLeft(held, this.#messages, this.#maxMessages, more)) return;
    this.#messagesOf.set(from, held + more);
    this.#messages += more;
    this.#batches.push({ from, batch });
  }

  /** All that is kept, in the order in which it came. Nothing is kept afterwards. */
  take(): readonly HeldBatch[] {
    const batches = this.#batches;
    this.#batches = [];
    this.#messages = 0;
    this.#messagesOf.clear();
    return batches;
  }
}
