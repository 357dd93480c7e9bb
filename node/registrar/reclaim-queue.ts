import type { Aor } from "../../dht-schema/aor.ts";

interface Waiting {
  readonly dueMs: number;
  readonly attempts: number;
}

const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 30_000;

/**
 * Users who have contacts here but are not owned (after a restart, or when the leases ran out), to be claimed again:
 * at most so many at a time, and with a growing delay while the directory is unavailable.
 */
export class ReclaimQueue {
  /** Attempts made so far, by AoR; first come, first served. */
  readonly #ready = new Map<Aor, number>();
  readonly #inFlight = new Map<Aor, number>();
  readonly #waiting = new Map<Aor, Waiting>();
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
    this.#waiting.delete(aor);
    this.#ready.set(aor, 0);
  }

  /** ready → in flight, as many as may be. Waiting users that are due become ready first. */
  take(nowMs: number): readonly Aor[] {
    for (const [aor, { dueMs, attempts }] of this.#waiting) {
      if (dueMs > nowMs) continue;
      this.#waiting.delete(aor);
      this.#ready.set(aor, attempts);
    }
    const taken: Aor[] = [];
    for (const [aor, attempts] of this.#ready) {
      if (this.#inFlight.size >= this.#concurrency) break;
      this.#ready.delete(aor);
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
    const delayMs = Math.min(FIRST_DELAY_MS * 2 ** Math.min(attempts, 16), LONGEST_DELAY_MS);
    this.#waiting.set(aor, { dueMs: nowMs + delayMs, attempts: attempts + 1 });
  }

  /** any → nothing */
  done(aor: Aor): void {
    this.#ready.delete(aor);
    this.#inFlight.delete(aor);
    this.#waiting.delete(aor);
  }
}
