type Task = () => void | Promise<void>;

/**
 * Runs tasks of the same key one after the other and tasks of different keys side by side. A task of an idle key starts
 * at once, in the same turn of the event loop.
 */
export class KeyedQueue<Key> {
  /** Tasks that wait, by key; a key is listed while a task of it runs. */
  readonly #waiting = new Map<Key, Task[]>();

  /** Tasks of a key that wait for another to end. */
  waiting(key: Key): number {
    return this.#waiting.get(key)?.length ?? 0;
  }

  /** Whether a task of a key runs. */
  isBusy(key: Key): boolean {
    return this.#waiting.has(key);
  }

  run(key: Key, task: Task): void {
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) {
      waiting.push(task);
      return;
    }
    const tasks = [task];
    this.#waiting.set(key, tasks);
    this.#drain(key, tasks);
  }

  #drain(key: Key, waiting: Task[]): void {
    for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) {
      const running = this.#start(task, () => this.#drain(key, waiting));
      if (running instanceof Promise) {
        void running.finally(() => this.#drain(key, waiting));
        return;
      }
    }
    this.#waiting.delete(key);
  }

  /** A task that throws is whoever ran it's to hear of; those behind it run all the same. */
  #start(task: Task, goOn: () => void): void | Promise<void> {
    try {
      return task();
    } catch (error) {
      queueMicrotask(goOn);
      throw error;
    }
  }
}
