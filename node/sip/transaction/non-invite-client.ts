import type { ClientEffect, TransactionOptions } from "./timer-settings.ts";
import { lifetimeMs, NOTHING } from "./timer-settings.ts";

export type NonInviteClientState =
  | {
      readonly kind: "trying" | "proceeding";
      readonly retransmitAtMs: number;
      readonly intervalMs: number;
      readonly timeoutAtMs: number;
    }
  /** The response that comes again is absorbed for timer K, in `kept.ts`: this machine has nothing more to do. */
  | { readonly kind: "completed" }
  | { readonly kind: "terminated" };

const COMPLETED: NonInviteClientState = { kind: "completed" };
const TERMINATED: NonInviteClientState = { kind: "terminated" };

/**
 * Client side of a transaction other than INVITE. The request was sent just before it is made.
 * @see RFC 3261 §17.1.2.2
 */
export class NonInviteClientTransaction {
  readonly #options: TransactionOptions;
  #state: NonInviteClientState;

  /** @param withinMs timer F, where it is to be shorter than 64·T1 */
  constructor(nowMs: number, options: TransactionOptions, withinMs = Number.POSITIVE_INFINITY) {
    this.#options = options;
    const { t1Ms } = options.timers;
    this.#state = {
      kind: "trying",
      // Timer E runs on unreliable transports only; timer F always.
      retransmitAtMs: options.reliable ? Number.POSITIVE_INFINITY : nowMs + t1Ms,
      intervalMs: t1Ms,
      timeoutAtMs: nowMs + Math.min(lifetimeMs(options.timers), withinMs),
    };
  }

  get state(): NonInviteClientState {
    return this.#state;
  }

  /** When {@link timeout} is to be called next; infinite when never. */
  get deadlineMs(): number {
    const state = this.#state;
    switch (state.kind) {
      case "trying":
      case "proceeding":
        return Math.min(state.retransmitAtMs, state.timeoutAtMs);
      case "completed":
      case "terminated":
        return Number.POSITIVE_INFINITY;
    }
  }

  /** trying | proceeding → proceeding, on 1xx; → completed, on a final response, or terminated where that cannot come again */
  response(status: number): readonly ClientEffect[] {
    const state = this.#state;
    if (state.kind !== "trying" && state.kind !== "proceeding") return NOTHING;
    if (status < 200) {
      this.#state = { ...state, kind: "proceeding" };
      return ["deliver"];
    }
    this.#state = this.#options.reliable ? TERMINATED : COMPLETED;
    return ["deliver"];
  }

  /** trying | proceeding → the same, at timer E; → terminated, at timer F */
  timeout(nowMs: number): readonly ClientEffect[] {
    const state = this.#state;
    if ((state.kind !== "trying" && state.kind !== "proceeding") || nowMs < this.deadlineMs) return NOTHING;
    if (nowMs >= state.timeoutAtMs) {
      this.#state = TERMINATED;
      return ["timed-out"];
    }
    const { t2Ms } = this.#options.timers;
    const intervalMs = state.kind === "proceeding" ? t2Ms : Math.min(2 * state.intervalMs, t2Ms);
    this.#state = { ...state, intervalMs, retransmitAtMs: nowMs + intervalMs };
    return ["send"];
  }

  /** trying | proceeding → terminated. @see RFC 3261 §17.1.4 */
  transportError(): readonly ClientEffect[] {
    if (this.#state.kind !== "trying" && this.#state.kind !== "proceeding") return NOTHING;
    this.#state = TERMINATED;
    return ["failed"];
  }
}
