import { AORTA_MESSAGE } from "../federation/aorta-headers.ts";
import type { Clock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import type { Logger } from "../runtime/logger.ts";
import { RecentMap } from "../runtime/recent-map.ts";
import { detached } from "../sip/message/lexical.ts";
import type { SipHeaders } from "../sip/message/headers.ts";
import type { MessageStore } from "../storage/ports.ts";

/** What names a message between servers: the same however often, and by whichever server, it is sent. */
export interface MessageName {
  readonly key: string;
  /** Its holder has it on disk and sends it until it is dealt with, after restarts too. */
  readonly isHeld: boolean;
}

const HELD = ";held";

/** The name in a message that came from another server, or from disk. */
export function messageNameIn(headers: SipHeaders): MessageName | undefined {
  const text = headers.get(AORTA_MESSAGE);
  if (text === undefined) return undefined;
  const isHeld = text.endsWith(HELD);
  // It is remembered for longer than the message.
  return { key: detached(isHeld ? text.slice(0, -HELD.length) : text), isHeld };
}

export function formatMessageName({ key, isHeld }: MessageName): string {
  return isHeld ? key + HELD : key;
}

/**
 * Names of messages that this server has delivered, so that one that comes again is not delivered twice: the latest ones in memory, for a
 * link can break between a delivery and the answer to it; those that were held on disk too.
 */
export class DeliveredNames {
  readonly #store: Pick<MessageStore, "delivered" | "wasDelivered">;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #recent = new RecentMap<string, true>(limits.messaging.recentNames);

  constructor(components: {
    readonly store: Pick<MessageStore, "delivered" | "wasDelivered">;
    readonly clock: Clock;
    readonly logger: Logger;
  }) {
    this.#store = components.store;
    this.#clock = components.clock;
    this.#logger = components.logger;
  }

  has({ key, isHeld }: MessageName): boolean {
    return this.#recent.has(key) || (isHeld && this.#store.wasDelivered(key));
  }

  add({ key, isHeld }: MessageName): void {
    this.#recent.set(key, true);
    if (!isHeld) return;
    try {
      // No message is older than that: its holder drops it then.
      this.#store.delivered(key, this.#clock.wallMs() + limits.messaging.heldMs);
    } catch (error) {
      this.#logger.warn({ err: error }, "a message may be delivered twice: that it was could not be written down");
    }
  }
}
