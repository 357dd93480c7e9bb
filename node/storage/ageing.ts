import type { Clock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import type { Settings } from "./ports.ts";

const SETTING = "ageing";

/**
 * The time by which what is kept for a time is removed. It is the wall clock, but goes beyond the latest time that it has reached, in earlier runs too, by no more than a day for
 * each hour that the node runs: a clock that is far ahead, and is set right some hours later, has removed next to nothing; what has grown too old while the node was off stays a little longer.
 */
export class Ageing {
  readonly #settings: Pick<Settings, "get" | "set">;
  readonly #clock: Clock;
  #reachedMs: number;
  #lookedAtMs: number;
  #writtenAtMs = Number.NEGATIVE_INFINITY;

  constructor(settings: Pick<Settings, "get" | "set">, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
    this.#reachedMs = read(settings) ?? clock.wallMs();
    this.#lookedAtMs = clock.monotonicMs();
  }

  /** Ms since 1970; never later than the wall clock. */
  nowMs(): number {
    const [monotonicMs, wallMs] = [this.#clock.monotonicMs(), this.#clock.wallMs()];
    const mostMs = this.#reachedMs + limits.storage.ageingSpeed * (monotonicMs - this.#lookedAtMs);
    this.#reachedMs = Math.max(this.#reachedMs, Math.min(wallMs, mostMs));
    this.#lookedAtMs = monotonicMs;
    if (monotonicMs - this.#writtenAtMs >= limits.storage.ageingWriteMs) this.#write(monotonicMs);
    return Math.min(wallMs, this.#reachedMs);
  }

  #write(monotonicMs: number): void {
    this.#writtenAtMs = monotonicMs;
    const octets = new Uint8Array(8);
    new DataView(octets.buffer).setFloat64(0, this.#reachedMs);
    try {
      this.#settings.set(SETTING, octets);
    } catch {
      // On a full disk, of which others tell: the next run goes on from where this one was an hour earlier.
    }
  }
}

function read(settings: Pick<Settings, "get">): number | undefined {
  const octets = settings.get(SETTING);
  return octets && new DataView(octets.buffer, octets.byteOffset, octets.byteLength).getFloat64(0);
}
