import { randomUUID } from "node:crypto";
import { AORTA_MESSAGE } from "../federation/aorta-headers.ts";
import type { Clock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import type { Logger } from "../runtime/logger.ts";
import { RecentMap } from "../runtime/recent-map.ts";
import { detached } from "../sip/message/lexical.ts";
import type { SipHeaders } from "../sip/message/headers.ts";
import type { SipRequest } from "../sip/message/message.ts";
import type { MessageStore } from "../storage/ports.ts";
import { WriteFailures } from "../storage/write-failures.ts";

/** What names a message between servers: the same however often, and by whichever server, it is sent. */
export interface MessageName {
  readonly key: string;
  /** Its holder has it on disk and sends it until it is dealt with, after restarts too. */
  readonly isHeld: boolean;
}

type NameStore = Pick<MessageStore, "delivered" | "wasDelivered" | "deliveredKeys">;

const HELD = ";held";
/** In place of the time of a delivery: there is nothing to write of it. */
const SETTLED = Number.NEGATIVE_INFINITY;

/** The name in a message that came from another server, or from disk. */
export function messageNameIn(headers: SipHeaders): MessageName | undefined {
  const text = headers.get(AORTA_MESSAGE);
  if (text === undefined) return undefined;
  const isHeld = text.endsWith(HELD);
  return { key: isHeld ? text.slice(0, -HELD.length) : text, isHeld };
}

/** Gives a message its name, unless it has one: before it leaves this server for the first time. */
export function nameMessage({ headers }: SipRequest): void {
  if (!headers.has(AORTA_MESSAGE)) headers.set(AORTA_MESSAGE, randomUUID());
}

export function formatMessageName({ key, isHeld }: MessageName): string {
  return isHeld ? key + HELD : key;
}

/**
 * Names of messages that this server has delivered, so that one that comes again is not delivered twice: the latest ones in memory, for a
 * link can break between a delivery and the answer to it; those that were held on disk too. The others are written only where an answer may
 * have been lost, for a row each would cost a twentieth of all that a message costs: when a link breaks, and when the server stops.
 */
export class DeliveredNames {
  readonly #store: NameStore;
  readonly #clock: Clock;
  readonly #failures: WriteFailures;
  /** When each was delivered; `SETTLED` where that is on disk, or nobody can ask. */
  readonly #recent = new RecentMap<string, number>(limits.messaging.recentNames);
  readonly #startedMs: number;
  /** What is on disk, as long as all of it is asked for; `undefined` where it is too much, or no longer. */
  #onDisk: Set<string> | undefined;

  constructor(components: { readonly store: NameStore; readonly clock: Clock; readonly logger: Logger }) {
    this.#store = components.store;
    this.#clock = components.clock;
    this.#failures = new WriteFailures(components);
    this.#startedMs = this.#clock.monotonicMs();
    this.#onDisk = this.#store.deliveredKeys(limits.messaging.namesReadAtStart);
  }

  /** @param mayBeAskedFor as of {@link add}: nobody else can have delivered what has just been named here */
  has({ key, isHeld }: MessageName, mayBeAskedFor: boolean): boolean {
    if (this.#recent.has(key)) return true;
    return isHeld ? this.#store.wasDelivered(key) : mayBeAskedFor && this.#wasOfLastRun(key);
  }

  /** Of one that nobody holds another server waits for the answer, as long as its sender does: what is asked for again was given to the last run. */
  #wasOfLastRun(key: string): boolean {
    if (this.#clock.monotonicMs() - this.#startedMs >= limits.messaging.askedAgainMs) {
      this.#onDisk = undefined;
      return false;
    }
    return this.#onDisk === undefined ? this.#store.wasDelivered(key) : this.#onDisk.has(key);
  }

  /** @param mayBeAskedFor whether another server waits for the answer: a client's message is sent by this server alone */
  add({ key, isHeld }: MessageName, mayBeAskedFor: boolean): void {
    if (isHeld) this.#write(key);
    else this.#remember(key, mayBeAskedFor ? this.#clock.monotonicMs() : SETTLED);
  }

  /** Answers may have been lost: what they said is kept for who asks again, of the next run too. */
  keep(): void {
    const sinceMs = this.#clock.monotonicMs() - limits.messaging.answerMs;
    const underWay = [...this.#recent.entries()].filter(([, deliveredAtMs]) => deliveredAtMs > sinceMs);
    for (const [key] of underWay) this.#write(key);
  }

  #write(key: string): void {
    this.#remember(key, SETTLED);
    this.#onDisk?.add(key);
    try {
      // No message is older than that: its holder drops it then.
      this.#store.delivered(key, this.#clock.wallMs() + limits.messaging.heldMs);
    } catch (error) {
      this.#failures.tell(error, "a message may be delivered twice: that it was could not be written down");
    }
  }

  /** For longer than the message. */
  #remember(key: string, deliveredAtMs: number): void {
    this.#recent.set(detached(key), deliveredAtMs);
  }
}
