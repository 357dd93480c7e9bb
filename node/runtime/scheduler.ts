import type { Clock } from "./clock.ts";
import type { Scheduled } from "./deadline-queue.ts";
import { DeadlineQueue } from "./deadline-queue.ts";
import type { Timers } from "./timers.ts";

/** An item that is told when it is due. */
export interface Task extends Scheduled {
  due(nowMs: number): void;
}

/** Some 5 µs each: what arrives meanwhile waits no longer than that. */
const TASKS_A_TURN = 1_000;

/** Drives any number of deadlines with one timer of the process. Of many that are due at once, so many in a turn of the event loop. */
export class Scheduler {
  readonly #queue = new DeadlineQueue<Task>();
  readonly #clock: Clock;
  readonly #timers: Timers;
  #cancel: (() => void) | undefined;
  #armedMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
  }

  nowMs(): number {
    return this.#clock.monotonicMs();
  }

  /** An infinite time takes the task out. */
  schedule(task: Task, dueMs: number): void {
    this.#queue.schedule(task, dueMs);
    this.#arm();
  }

  remove(task: Task): void {
    this.#queue.remove(task);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#armedMs = Number.POSITIVE_INFINITY;
  }

  /** Moves the timer only to an earlier time: most tasks are taken out before they are due, and waking for nothing is cheaper than setting a timer for each. */
  #arm(): void {
    const nextMs = this.#queue.nextMs;
    if (nextMs >= this.#armedMs) return;
    this.#cancel?.();
    this.#armedMs = nextMs;
    this.#cancel = this.#timers.after(nextMs - this.nowMs(), () => this.#wake());
  }

  #wake(): void {
    this.#armedMs = Number.POSITIVE_INFINITY;
    const nowMs = this.nowMs();
    for (let done = 0; done < TASKS_A_TURN; done++) {
      const task = this.#queue.takeDue(nowMs);
      if (task === undefined) break;
      task.due(nowMs);
    }
    this.#arm();
  }
}
