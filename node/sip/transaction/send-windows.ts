import { QueueMap } from "../../runtime/queue-map.ts";
import type { Scheduler, Task } from "../../runtime/scheduler.ts";

export interface WindowRules {
  /** Requests to one destination that are on their way at once. */
  readonly requests: number;
  /** After this time one that nobody has answered counts as arrived, or lost: no longer on its way. */
  readonly holdMs: number;
}

/** A request's place in the window of its destination. */
export interface Place {
  /** It was answered, or has failed: the next may go. Idempotent. */
  leave(): void;
}

/**
 * Spreads bursts of datagrams: requests to one destination go out as fast as it answers, so that they do not overrun the socket buffer at its
 * end, which would lose them silently. A destination that answers nothing still gets a window full in each `holdMs`.
 */
export class SendWindows {
  readonly #scheduler: Scheduler;
  readonly #rules: WindowRules;
  readonly #windows = new Map<string, Window>();
  #waiting = 0;

  constructor(scheduler: Scheduler, rules: WindowRules) {
    this.#scheduler = scheduler;
    this.#rules = rules;
  }

  /** Destinations that something is on its way to. */
  get destinations(): number {
    return this.#windows.size;
  }

  /** Requests that wait for their turn. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Calls `send` when it is the request's turn, at once if there is room. */
  enter(destination: string, send: () => void): Place {
    return (this.#windows.get(destination) ?? this.#open(destination)).enter(send);
  }

  #open(destination: string): Window {
    const window = new Window(this.#scheduler, this.#rules, {
      waiting: (change) => (this.#waiting += change),
      // A request may leave long after its window was closed and another opened.
      empty: () => {
        if (this.#windows.get(destination) === window) this.#windows.delete(destination);
      },
    });
    this.#windows.set(destination, window);
    return window;
  }
}

interface Surroundings {
  waiting(change: 1 | -1): void;
  empty(): void;
}

interface Entry {
  readonly send: () => void;
  /** The generation that it went out with; `undefined` while it waits, infinite when it has left. */
  sentIn: number | undefined;
}

class Window implements Task {
  dueMs = 0;
  place = -1;
  readonly #scheduler: Scheduler;
  readonly #rules: WindowRules;
  readonly #surroundings: Surroundings;
  readonly #queue = new QueueMap<Entry, true>();
  /** Counts how often the window was opened by time alone: what went out before takes no room any more. */
  #generation = 0;
  #onTheWay = 0;
  #isFilling = false;

  constructor(scheduler: Scheduler, rules: WindowRules, surroundings: Surroundings) {
    this.#scheduler = scheduler;
    this.#rules = rules;
    this.#surroundings = surroundings;
  }

  enter(send: () => void): Place {
    const entry: Entry = { send, sentIn: undefined };
    if (this.#onTheWay < this.#rules.requests && this.#queue.size === 0) this.#send(entry);
    else {
      this.#queue.set(entry, true);
      this.#surroundings.waiting(1);
      if (this.place < 0) this.#scheduler.schedule(this, this.#scheduler.nowMs() + this.#rules.holdMs);
    }
    return { leave: () => this.#leave(entry) };
  }

  due(): void {
    this.#generation++;
    this.#onTheWay = 0;
    this.#fill();
    if (this.#queue.size > 0) this.#scheduler.schedule(this, this.#scheduler.nowMs() + this.#rules.holdMs);
  }

  #leave(entry: Entry): void {
    if (this.#queue.delete(entry)) this.#surroundings.waiting(-1);
    const wasOnTheWay = entry.sentIn === this.#generation;
    entry.sentIn = Number.POSITIVE_INFINITY;
    if (wasOnTheWay) this.#onTheWay--;
    this.#fill();
    if (this.#onTheWay > 0 || this.#queue.size > 0) return;
    this.#scheduler.remove(this);
    this.#surroundings.empty();
  }

  #fill(): void {
    // What fails as it is sent leaves within the call: any number of them takes one loop, and no stack.
    if (this.#isFilling) return;
    this.#isFilling = true;
    try {
      while (this.#onTheWay < this.#rules.requests) {
        const first = this.#queue.shift();
        if (first === undefined) return;
        this.#surroundings.waiting(-1);
        this.#send(first[0]);
      }
    } finally {
      this.#isFilling = false;
    }
  }

  #send(entry: Entry): void {
    entry.sentIn = this.#generation;
    this.#onTheWay++;
    entry.send();
  }
}
