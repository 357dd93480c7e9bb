import { limits } from "../runtime/limits.ts";

/** What to do about a link at a tick. */
export type LivenessVerdict = "well" | "ping" | "silent";

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

  /** To be called every `tickMs`. */
  tick(nowMs: number): LivenessVerdict {
    const { silentMs, pingIdleMs, pingEveryMs } = limits.mesh;
    const silenceMs = nowMs - this.#heardMs;
    if (silenceMs >= silentMs) return "silent";
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
