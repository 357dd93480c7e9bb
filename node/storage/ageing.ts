import type { Clock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import type { Settings } from "./ports.ts";

const SETTING = "ageing";

/**
 * The time by which what is kept for a time is removed. It follows the wall clock, but never by more than a day for each hour that the node runs, from where it was
 * in the last run: a clock that is far ahead, and is set right some hours later, has removed next to nothing; what has grown too old while the node was off stays a little longer.
 */
export class Ageing {
  readonly #settings: Pick<Settings, "get" | "set">;
  readonly #clock: Clock;
  #nowMs: number;
  #lookedAtMs: number;
  #writtenAtMs = Number.NEGATIVE_INFINITY;

  constructor(settings: Pick<Settings, "get" | "set">, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
    this.#nowMs = read(settings) ?? clock.wallMs();
    this.#lookedAtMs = clock.monotonicMs();
  }

  /** Ms since 1970; never later than the wall clock. */
  nowMs(): number {
    const monotonicMs = this.#clock.monotonicMs();
    const mostMs = this.#nowMs + limits.storage.ageingSpeed * (monotonicMs - this.#lookedAtMs);
    this.#nowMs = Math.min(this.#clock.wallMs(), mostMs);
    this.#lookedAtMs = monotonicMs;
    if (monotonicMs - this.#writtenAtMs >= limits.storage.ageingWriteMs) this.#write(monotonicMs);
    return this.#nowMs;
  }

  #write(monotonicMs: number): void {
    this.#writtenAtMs = monotonicMs;
    const octets = new Uint8Array(8);
    new DataView(octets.buffer).setFloat64(0, this.#nowMs);
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
