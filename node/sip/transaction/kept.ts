import { OctetQueue } from "../../runtime/octet-queue.ts";
import type { Scheduler, Task } from "../../runtime/scheduler.ts";

/** So many of its length have to find room for one to be kept. */
const ROOM_FOR = 1000;

/** Whether there is room for octets to be kept: long ones are the first for which there is none, so who has answers of any length leaves room for those of others. */
export function isRoomLeft(octets: number, used: number, max: number): boolean {
  return octets * ROOM_FOR <= max - used;
}

/**
 * What is left of transactions other than INVITE that are over: state Completed over an unreliable transport, in which nothing is awaited but its end, at timer J or K. There may
 * be 200,000, so each is a key and the octets to be sent again, and one deadline is there for all.
 * @see RFC 3261 §17.1.2.2, §17.2.2
 */
export class Kept implements Task {
  dueMs = 0;
  place = -1;
  readonly #queue = new OctetQueue();
  readonly #scheduler: Scheduler;
  readonly #forMs: number;
  readonly #octetsMax: number;

  /**
   * @param forMs how long each is kept
   * @param octetsMax that all together may have, keys included
   */
  constructor(scheduler: Scheduler, forMs: number, octetsMax = Infinity) {
    this.#scheduler = scheduler;
    this.#forMs = forMs;
    this.#octetsMax = octetsMax;
  }

  get size(): number {
    return this.#queue.size;
  }

  get(key: string): Uint8Array | undefined {
    return this.#queue.get(key);
  }

  /** @returns false where there is no room */
  keep(key: string, octets: Uint8Array): boolean {
    if (!isRoomLeft(octets.length, this.#queue.octets, this.#octetsMax)) return false;
    const untilMs = Math.ceil(this.#scheduler.nowMs() + this.#forMs);
    this.#queue.push(key, untilMs, octets);
    if (this.#queue.size === 1) this.#scheduler.schedule(this, untilMs);
    return true;
  }

  /** Forgets the oldest, if it has been kept for so long. @returns whether it was */
  forgetAfter(ms: number): boolean {
    const isOld = this.#queue.oldestUntilMs - this.#forMs + ms <= this.#scheduler.nowMs();
    if (isOld) this.#queue.shift();
    return isOld;
  }

  due(nowMs: number): void {
    while (this.#queue.oldestUntilMs <= nowMs) this.#queue.shift();
    this.#scheduler.schedule(this, this.#queue.oldestUntilMs);
  }

  /** Forgets all. */
  clear(): void {
    this.#queue.clear();
    this.#scheduler.remove(this);
  }
}
