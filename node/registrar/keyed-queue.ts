type Task = () => void | Promise<void>;

/**
 * Runs tasks of the same key one after the other and tasks of different keys side by side. A task of an idle key starts
 * at once, in the same turn of the event loop. Tasks deal with their own failures: they must not throw.
 */
export class KeyedQueue<Key> {
  /** Tasks that wait, by key; a key is listed while a task of it runs. */
  readonly #waiting = new Map<Key, Task[]>();
  readonly #depth: number;

  /** @param depth most tasks that wait for one key */
  constructor(depth: number) {
    this.#depth = depth;
  }

  /** False, and the task is not run, when too many wait already. */
  run(key: Key, task: Task): boolean {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) {
      const tasks = [task];
      this.#waiting.set(key, tasks);
      this.#drain(key, tasks);
      return true;
    }
    if (waiting.length >= this.#depth) return false;
    waiting.push(task);
    return true;
  }

  #drain(key: Key, waiting: Task[]): void {
    for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) {
      const running = task();
      if (running instanceof Promise) {
        void running.then(() => this.#drain(key, waiting));
        return;
      }
    }
    this.#waiting.delete(key);
  }
}
