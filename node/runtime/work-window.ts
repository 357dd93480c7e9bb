import { QueueMap } from "./queue-map.ts";
import type { Timers } from "./timers.ts";

/** Something that is to be done when there is room for it. */
export interface Work {
  /** Asked then: it may have become needless. */
  isWanted(): boolean;
  /** Does it; never rejects. */
  begin(): Promise<void>;
}

/**
 * Lets so many things be under way at once; the rest waits, first come, first served. What has made room is followed by the next in another turn of the event loop: where all of it ends at
 * once, as with one server that asks nobody, nothing else would have its turn until the last is done.
 */
export class WorkWindow<Key> {
  readonly #waiting = new QueueMap<Key, Work>();
  readonly #atOnce: number;
  readonly #timers: Timers;
  #underWay = 0;
  #isDue = false;

  constructor(atOnce: number, timers: Timers) {
    this.#atOnce = atOnce;
    this.#timers = timers;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** At once where there is room. One of a key waits: a new one takes the place of the other. */
  ask(key: Key, work: Work): void {
    this.#waiting.set(key, work);
    this.#goOn();
  }

  #goOn(): void {
    while (this.#underWay < this.#atOnce) {
      const first = this.#waiting.shift();
      if (first === undefined) return;
      const [, work] = first;
      if (!work.isWanted()) continue;
      this.#underWay += 1;
      void work.begin().finally(() => {
        this.#underWay -= 1;
        this.#goOnSoon();
      });
    }
  }

  #goOnSoon(): void {
    if (this.#isDue || this.#waiting.size === 0) return;
    this.#isDue = true;
    this.#timers.after(0, () => {
      this.#isDue = false;
      this.#goOn();
    });
  }
}
