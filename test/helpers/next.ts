/** Collects what a listener is told; a test waits for the next that fits, with a deadline. */
export class Inbox<T> {
  readonly all: T[] = [];
  readonly #waiters = new Set<() => void>();

  readonly push = (item: T): void => {
    this.all.push(item);
    for (const wake of this.#waiters) wake();
  };

  /** The first item, past or future, that satisfies `test`. */
  first(test: (item: T) => boolean, what: string, deadlineMs = 8_000): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.all.find(test);
        if (found === undefined) return;
        clearTimeout(timer);
        this.#waiters.delete(look);
        resolve(found);
      };
      const timer = setTimeout(() => {
        this.#waiters.delete(look);
        reject(new Error(`no ${what} within ${deadlineMs} ms; got ${JSON.stringify(this.all)}`));
      }, deadlineMs);
      this.#waiters.add(look);
      look();
    });
  }
}
