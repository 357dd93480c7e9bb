import { QueueMap } from "./queue-map.ts";

/** Something that is to be done when its turn comes. */
export interface Turn {
  /** Asked then: it may have become needless. */
  isWanted(): boolean;
  /** Never rejects. */
  take(): Promise<void>;
}

/** Lets so many things be under way at once; the rest waits, first come, first served. */
export class Turns<Key> {
  readonly #waiting = new QueueMap<Key, Turn>();
  readonly #atOnce: number;
  #underWay = 0;

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** At once where there is room. One of a key waits: a new one takes the place of the other. */
  ask(key: Key, turn: Turn): void {
    this.#waiting.set(key, turn);
    this.#goOn();
  }

  #goOn(): void {
    while (this.#underWay < this.#atOnce) {
      const first = this.#waiting.shift();
      if (first === undefined) return;
      const [, turn] = first;
      if (!turn.isWanted()) continue;
      this.#underWay += 1;
      void turn.take().finally(() => {
        this.#underWay -= 1;
        this.#goOn();
      });
    }
  }
}
