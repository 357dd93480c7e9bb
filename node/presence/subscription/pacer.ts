/** How often a subscriber is told of changes: a few at once, then one an interval. */
export interface Pace {
  /** Changes that may be told one right after the other. */
  readonly burst: number;
  readonly intervalMs: number;
  /** Least time between two, whatever may be told at once. @default 0 @see RFC 6446 §5.3 */
  readonly gapMs?: number;
}

/**
 * A token bucket: {@link Pace.burst} tokens, and one more each {@link Pace.intervalMs}. A person who acts a few times in a row is
 * seen to do so; a client that changes its state all the time is not a storm for everybody who watches.
 * @see RFC 3856 §6.10, RFC 6446 §5
 */
export class Pacer {
  readonly #pace: Pace;
  #tokens: number;
  /** When the last whole token came in. */
  #filledAtMs: number;
  /** When anything was told last. */
  #toldAtMs = -Infinity;

  constructor(pace: Pace, nowMs: number) {
    this.#pace = pace;
    this.#tokens = pace.burst;
    this.#filledAtMs = nowMs;
  }

  isAt({ burst, intervalMs, gapMs }: Pace): boolean {
    return burst === this.#pace.burst && intervalMs === this.#pace.intervalMs && gapMs === this.#pace.gapMs;
  }

  /** Takes a token, if there is one and its time has come. */
  take(nowMs: number): boolean {
    if (this.nextMs(nowMs) > nowMs) return false;
    this.#tokens -= 1;
    this.#toldAtMs = nowMs;
    return true;
  }

  /** It was told without a token, because that may not wait: the gap counts from then on. @see RFC 6446 §5.3 */
  told(nowMs: number): void {
    this.#toldAtMs = nowMs;
  }

  /** When a token can be taken again. */
  nextMs(nowMs: number): number {
    this.#fill(nowMs);
    const { intervalMs, gapMs = 0 } = this.#pace;
    return Math.max(this.#tokens > 0 ? nowMs : this.#filledAtMs + intervalMs, this.#toldAtMs + gapMs);
  }

  #fill(nowMs: number): void {
    const { burst, intervalMs } = this.#pace;
    const come = Math.floor((nowMs - this.#filledAtMs) / intervalMs);
    if (this.#tokens + come >= burst) {
      this.#tokens = burst;
      this.#filledAtMs = nowMs;
      return;
    }
    this.#tokens += come;
    this.#filledAtMs += come * intervalMs;
  }
}
