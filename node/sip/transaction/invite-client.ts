import type { ClientEffect, TransactionOptions } from "./timer-settings.ts";
import { lifetimeMs, NOTHING } from "./timer-settings.ts";

export type InviteClientState =
  | {
      readonly kind: "calling";
      readonly retransmitAtMs: number;
      readonly intervalMs: number;
      readonly timeoutAtMs: number;
    }
  /** `giveUpAtMs` is infinite until a CANCEL was sent: a callee may ring for long. */
  | { readonly kind: "proceeding"; readonly giveUpAtMs: number }
  | { readonly kind: "completed"; readonly endAtMs: number }
  | { readonly kind: "accepted"; readonly endAtMs: number }
  | { readonly kind: "terminated" };

/**
 * Client side of an INVITE transaction. The INVITE was sent just before it is made.
 * @see RFC 3261 §17.1.1.2; RFC 6026 §7.2, §8.4
 */
export class InviteClientTransaction {
  readonly #options: TransactionOptions;
  #state: InviteClientState;

  constructor(nowMs: number, options: TransactionOptions) {
    this.#options = options;
    const { t1Ms } = options.timers;
    this.#state = {
      kind: "calling",
      retransmitAtMs: options.reliable ? Number.POSITIVE_INFINITY : nowMs + t1Ms,
      intervalMs: t1Ms,
      timeoutAtMs: nowMs + lifetimeMs(options.timers),
    };
  }

  get state(): InviteClientState {
    return this.#state;
  }

  /** When {@link timeout} is to be called next; infinite when never. */
  get deadlineMs(): number {
    const state = this.#state;
    switch (state.kind) {
      case "calling":
        return Math.min(state.retransmitAtMs, state.timeoutAtMs);
      case "completed":
      case "accepted":
        return state.endAtMs;
      case "proceeding":
        return state.giveUpAtMs;
      case "terminated":
        return Number.POSITIVE_INFINITY;
    }
  }

  /** calling | proceeding → proceeding on 1xx, → accepted on 2xx, → completed on 300–699 */
  response(status: number, nowMs: number): readonly ClientEffect[] {
    const state = this.#state;
    switch (state.kind) {
      case "calling":
      case "proceeding":
        if (status < 200) {
          if (state.kind === "calling") this.#state = { kind: "proceeding", giveUpAtMs: Number.POSITIVE_INFINITY };
          return ["deliver"];
        }
        if (status < 300) {
          // Timer M: forks of the INVITE may each send a 2xx, again and again until their ACK. RFC 6026 §7.2
          this.#state = { kind: "accepted", endAtMs: nowMs + lifetimeMs(this.#options.timers) };
          return ["deliver"];
        }
        // Timer D: at least 32 s on unreliable transports, to acknowledge retransmissions.
        this.#state = this.#options.reliable
          ? { kind: "terminated" }
          : { kind: "completed", endAtMs: nowMs + Math.max(32_000, lifetimeMs(this.#options.timers)) };
        return ["acknowledge", "deliver"];
      case "completed":
        return status >= 300 ? ["acknowledge"] : NOTHING;
      case "accepted":
        return status >= 200 && status < 300 ? ["deliver"] : NOTHING;
      case "terminated":
        return NOTHING;
    }
  }

  /** proceeding → proceeding: a CANCEL was sent, and a peer of RFC 2543 may not answer the INVITE any more. @see RFC 3261 §9.1 */
  cancelled(nowMs: number): void {
    if (this.#state.kind !== "proceeding") return;
    this.#state = { kind: "proceeding", giveUpAtMs: nowMs + lifetimeMs(this.#options.timers) };
  }

  /** calling → calling at timer A; → terminated at timers B, D and M, and 64·T1 after a CANCEL */
  timeout(nowMs: number): readonly ClientEffect[] {
    const state = this.#state;
    if (nowMs < this.deadlineMs) return NOTHING;
    if (state.kind === "completed" || state.kind === "accepted") {
      this.#state = { kind: "terminated" };
      return NOTHING;
    }
    if (state.kind === "terminated") return NOTHING;
    if (state.kind === "proceeding" || nowMs >= state.timeoutAtMs) {
      this.#state = { kind: "terminated" };
      return ["timed-out"];
    }
    // Timer A doubles without the bound that timer E has.
    const intervalMs = 2 * state.intervalMs;
    this.#state = { ...state, intervalMs, retransmitAtMs: nowMs + intervalMs };
    return ["send"];
  }

  /** calling | proceeding | completed → terminated. @see RFC 3261 §17.1.4 */
  transportError(): readonly ClientEffect[] {
    switch (this.#state.kind) {
      case "calling":
      case "proceeding":
      case "completed":
        this.#state = { kind: "terminated" };
        return ["failed"];
      case "accepted":
      case "terminated":
        return NOTHING;
    }
  }
}
