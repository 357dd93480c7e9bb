import { QueueMap } from "./queue-map.ts";

/** Something that is to be done when there is room for it. */
export interface Work {
  /** Asked then: it may have become needless. */
  isWanted(): boolean;
  /** Does it; never rejects. */
  begin(): Promise<void>;
}

/** Lets so many things be under way at once; the rest waits, first come, first served. */
export class WorkWindow<Key> {
  readonly #waiting = new QueueMap<Key, Work>();
  readonly #atOnce: number;
  #underWay = 0;

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
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
        this.#goOn();
      });
    }
  }
}
