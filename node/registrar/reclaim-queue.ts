import type { Aor } from "../../dht-schema/aor.ts";
import type { Scheduled } from "../runtime/deadline-queue.ts";
import { DeadlineQueue } from "../runtime/deadline-queue.ts";
import { QueueMap } from "../runtime/queue-map.ts";

interface Waiting extends Scheduled {
  readonly aor: Aor;
  readonly attempts: number;
}

const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 30_000;

/**
 * Users who have contacts here but are not owned (after a restart, or when the leases ran out), to be claimed again:
 * at most so many at a time, and with a growing delay while the directory is unavailable. It may be all users of a server: each
 * operation costs the same however many there are.
 */
export class ReclaimQueue {
  /** Attempts made so far, by AoR; first come, first served. */
  readonly #ready = new QueueMap<Aor, number>();
  readonly #inFlight = new Map<Aor, number>();
  readonly #waiting = new Map<Aor, Waiting>();
  readonly #due = new DeadlineQueue<Waiting>();
  readonly #concurrency: number;

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  /** Users not yet claimed again. */
  get size(): number {
    return this.#ready.size + this.#inFlight.size + this.#waiting.size;
  }

  /** nothing, waiting → ready */
  add(aor: Aor): void {
    if (this.#ready.has(aor) || this.#inFlight.has(aor)) return;
    this.#wakeUp(aor);
    this.#ready.set(aor, 0);
  }

  /** ready → in flight, as many as may be. Waiting users that are due become ready first. */
  take(nowMs: number): readonly Aor[] {
    for (let due = this.#due.takeDue(nowMs); due !== undefined; due = this.#due.takeDue(nowMs)) {
      this.#waiting.delete(due.aor);
      this.#ready.set(due.aor, due.attempts);
    }
    const taken: Aor[] = [];
    while (this.#inFlight.size < this.#concurrency) {
      const first = this.#ready.shift();
      if (first === undefined) break;
      const [aor, attempts] = first;
      this.#inFlight.set(aor, attempts);
      taken.push(aor);
    }
    return taken;
  }

  /** in flight → waiting */
  retry(aor: Aor, nowMs: number): void {
    const attempts = this.#inFlight.get(aor);
    if (attempts === undefined) return;
    this.#inFlight.delete(aor);
    const waiting = { aor, attempts: attempts + 1, dueMs: Infinity, place: -1 };
    this.#waiting.set(aor, waiting);
    this.#due.schedule(waiting, nowMs + Math.min(FIRST_DELAY_MS * 2 ** Math.min(attempts, 16), LONGEST_DELAY_MS));
  }

  /** all waiting → ready: the directory may be there again. */
  hasten(): void {
    for (const aor of Array.from(this.#waiting.keys())) this.add(aor);
  }

  /** any → nothing */
  done(aor: Aor): void {
    this.#ready.delete(aor);
    this.#inFlight.delete(aor);
    this.#wakeUp(aor);
  }

  #wakeUp(aor: Aor): void {
    const waiting = this.#waiting.get(aor);
    if (waiting === undefined) return;
    this.#waiting.delete(aor);
    this.#due.remove(waiting);
  }
}
