import type { ServerEffect, TransactionOptions } from "./timer-settings.ts";
import { lifetimeMs, NOTHING } from "./timer-settings.ts";

export type NonInviteServerState =
  | { readonly kind: "trying"; readonly tryingAtMs: number; readonly giveUpAtMs: number }
  | { readonly kind: "proceeding"; readonly response: Uint8Array; readonly giveUpAtMs: number }
  /** The answer is kept for timer J, in `kept.ts`: this machine has nothing more to do. */
  | { readonly kind: "completed" }
  | { readonly kind: "terminated" };

const COMPLETED: NonInviteServerState = { kind: "completed" };
const TERMINATED: NonInviteServerState = { kind: "terminated" };

/**
 * Server side of a transaction other than INVITE.
 * @see RFC 3261 §17.2.2; RFC 4320 §4
 */
export class NonInviteServerTransaction {
  readonly #options: TransactionOptions;
  #state: NonInviteServerState;

  constructor(nowMs: number, options: TransactionOptions) {
    this.#options = options;
    this.#state = {
      kind: "trying",
      tryingAtMs: options.reliable ? Number.POSITIVE_INFINITY : nowMs + retransmissionsSlowAfterMs(options),
      // The client's timer F: an answer after that reaches nobody.
      giveUpAtMs: nowMs + lifetimeMs(options.timers),
    };
  }

  get state(): NonInviteServerState {
    return this.#state;
  }

  /** When {@link timeout} is to be called next; infinite when never. */
  get deadlineMs(): number {
    const state = this.#state;
    switch (state.kind) {
      case "trying":
        return Math.min(state.tryingAtMs, state.giveUpAtMs);
      case "proceeding":
        return state.giveUpAtMs;
      case "completed":
      case "terminated":
        return Number.POSITIVE_INFINITY;
    }
  }

  /** The same request again, before its final answer: absorbed, or answered as before. */
  request(): readonly ServerEffect[] {
    const state = this.#state;
    return state.kind === "proceeding" ? [{ kind: "send", response: state.response }] : NOTHING;
  }

  /** trying | proceeding → proceeding */
  provisional(response: Uint8Array): readonly ServerEffect[] {
    const state = this.#state;
    if (state.kind !== "trying" && state.kind !== "proceeding") return NOTHING;
    this.#state = { kind: "proceeding", response, giveUpAtMs: state.giveUpAtMs };
    return [{ kind: "send", response }];
  }

  /** trying | proceeding → completed, or terminated where the request cannot come again; later final responses are ignored */
  final(response: Uint8Array): readonly ServerEffect[] {
    if (this.#state.kind !== "trying" && this.#state.kind !== "proceeding") return NOTHING;
    this.#state = this.#options.reliable ? TERMINATED : COMPLETED;
    return [{ kind: "send", response }];
  }

  /** trying | proceeding → terminated without an answer: RFC 4320 §4.2 forbids to answer 408 */
  abandon(): readonly ServerEffect[] {
    if (this.#state.kind !== "trying" && this.#state.kind !== "proceeding") return NOTHING;
    this.#state = TERMINATED;
    return [{ kind: "unanswered" }];
  }

  /** trying → trying with a 100 to make; trying | proceeding → terminated after 64·T1 */
  timeout(nowMs: number): readonly ServerEffect[] {
    const state = this.#state;
    if ((state.kind !== "trying" && state.kind !== "proceeding") || nowMs < this.deadlineMs) return NOTHING;
    if (nowMs >= state.giveUpAtMs) return this.abandon();
    this.#state = { kind: "trying", tryingAtMs: Number.POSITIVE_INFINITY, giveUpAtMs: state.giveUpAtMs };
    return [{ kind: "make-trying" }];
  }

  /**
   * → terminated. A datagram that the machine could not send is as one that was lost on the way: the client asks again, for which the request has to be known, or it
   * would be served twice.
   * @see RFC 3261 §17.2.4
   */
  transportError(): readonly ServerEffect[] {
    if (this.#state.kind === "terminated") return NOTHING;
    if (this.#options.reliable) this.#state = TERMINATED;
    return [{ kind: "failed" }];
  }
}

/** When the client's timer E has reached T2: a 100 before that would not save messages. @see RFC 4320 §4.1 */
function retransmissionsSlowAfterMs({ timers }: TransactionOptions): number {
  let elapsedMs = 0;
  for (let intervalMs = timers.t1Ms; intervalMs < timers.t2Ms; intervalMs *= 2) elapsedMs += intervalMs;
  return elapsedMs;
}
