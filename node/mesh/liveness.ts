import { limits } from "../runtime/limits.ts";

/** What to do about a link at a tick. */
export type LivenessVerdict = "well" | "ping" | "silent";

/**
 * How many times slower the links of a server with so many are pinged: what it sends on idle links does not grow beyond
 * `pingLinks` until the slowdown ends, and silence is noticed in proportion later.
 */
export function pingPace(links: number): number {
  const { pingLinks, pingSlowdown } = limits.mesh;
  return Math.min(pingSlowdown, Math.max(1, links / pingLinks));
}

/** Watches the silence of a link and measures its round trip. Pure: time comes in, and it is time that this process was awake. */
export class Liveness {
  #heardMs: number;
  #pingMs: number;
  #token = 0;
  #awaited: number | undefined;
  #roundTripMs: number | undefined;

  constructor(nowMs: number) {
    this.#heardMs = nowMs;
    this.#pingMs = nowMs - limits.mesh.pingEveryMs;
  }

  /** Smoothed round trip, ms; `undefined` before the first PONG. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  /** Something came from the peer. */
  heard(nowMs: number): void {
    this.#heardMs = nowMs;
  }

  /** To be called every `tickMs`, with the {@link pingPace}. */
  tick(nowMs: number, pace = 1): LivenessVerdict {
    const { silentMs, pingEveryMs } = limits.mesh;
    const pingIdleMs = limits.mesh.pingIdleMs * pace;
    const silenceMs = nowMs - this.#heardMs;
    if (silenceMs >= silentMs * pace) return "silent";
    const sincePingMs = nowMs - this.#pingMs;
    return sincePingMs >= pingEveryMs || (silenceMs >= pingIdleMs && sincePingMs >= pingIdleMs) ? "ping" : "well";
  }

  /** A PING leaves: the token to put in it. */
  pinged(nowMs: number): number {
    this.#pingMs = nowMs;
    this.#awaited = ++this.#token;
    return this.#token;
  }

  /** A PONG came. Only the answer to the latest PING is measured. */
  ponged(token: number, nowMs: number): void {
    if (token !== this.#awaited) return;
    this.#awaited = undefined;
    const sampleMs = nowMs - this.#pingMs;
    // As TCP does: an eighth of each new sample. @see RFC 6298 §2.3
    this.#roundTripMs = this.#roundTripMs === undefined ? sampleMs : this.#roundTripMs * 0.875 + sampleMs * 0.125;
  }
}
