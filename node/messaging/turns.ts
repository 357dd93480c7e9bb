/** The place of one message among those that came before it. */
export interface Turn {
  /** Resolves when all that came before are dealt with; `undefined` where they are. */
  readonly earlier: Promise<void> | undefined;
  /** It is dealt with itself. */
  end(): void;
}

/**
 * Messages on their way, in the order in which they came: each is tried at once, but what has to wait is put on disk behind what was written
 * before it, whichever is given up first.
 */
export class Turns {
  /** By way, sender and recipient; resolves with the last that is on its way, and all before it. */
  readonly #last = new Map<string, Promise<void>>();

  /** Resolves when all that are on their way now are dealt with. */
  async over(): Promise<void> {
    await Promise.all(this.#last.values());
  }

  begin(key: string): Turn {
    const earlier = this.#last.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    const all = earlier === undefined ? promise : earlier.then(() => promise);
    this.#last.set(key, all);
    void all.then(() => {
      if (this.#last.get(key) === all) this.#last.delete(key);
    });
    return { earlier, end: resolve };
  }
}
