import type { ServerEffect, TransactionOptions } from "./timer-settings.ts";
import { lifetimeMs, NOTHING } from "./timer-settings.ts";

export type InviteServerState =
  | { readonly kind: "proceeding"; readonly response: Uint8Array | undefined; readonly tryingAtMs: number }
  | {
      readonly kind: "completed";
      readonly response: Uint8Array;
      readonly retransmitAtMs: number;
      readonly intervalMs: number;
      readonly timeoutAtMs: number;
    }
  | { readonly kind: "accepted"; readonly endAtMs: number }
  | { readonly kind: "confirmed"; readonly endAtMs: number }
  | { readonly kind: "terminated" };

/** An INVITE not answered within this time gets 100 (Trying). @see RFC 3261 §17.2.1 */
const TRYING_AFTER_MS = 200;

/**
 * Server side of an INVITE transaction.
 * @see RFC 3261 §17.2.1; RFC 6026 §7.1, §8.7
 */
export class InviteServerTransaction {
  readonly #options: TransactionOptions;
  #state: InviteServerState;

  constructor(nowMs: number, options: TransactionOptions) {
    this.#options = options;
    this.#state = { kind: "proceeding", response: undefined, tryingAtMs: nowMs + TRYING_AFTER_MS };
  }

  get state(): InviteServerState {
    return this.#state;
  }

  /** When {@link timeout} is to be called next; infinite when never. */
  get deadlineMs(): number {
    const state = this.#state;
    switch (state.kind) {
      case "proceeding":
        return state.tryingAtMs;
      case "completed":
        return Math.min(state.retransmitAtMs, state.timeoutAtMs);
      case "accepted":
      case "confirmed":
        return state.endAtMs;
      case "terminated":
        return Number.POSITIVE_INFINITY;
    }
  }

  /** The same INVITE again: answered as before; absorbed once it was accepted or acknowledged. */
  request(): readonly ServerEffect[] {
    const state = this.#state;
    if (state.kind !== "proceeding" && state.kind !== "completed") return NOTHING;
    return state.response === undefined ? NOTHING : [{ kind: "send", response: state.response }];
  }

  /** proceeding → proceeding */
  provisional(response: Uint8Array): readonly ServerEffect[] {
    if (this.#state.kind !== "proceeding") return NOTHING;
    this.#state = { kind: "proceeding", response, tryingAtMs: Number.POSITIVE_INFINITY };
    return [{ kind: "send", response }];
  }

  /** proceeding → accepted; accepted → accepted: the user of the transaction repeats its 2xx until the ACK */
  success(response: Uint8Array, nowMs: number): readonly ServerEffect[] {
    switch (this.#state.kind) {
      case "proceeding":
        // Timer L: the INVITE is remembered so that its retransmissions make no second call. RFC 6026 §7.1
        this.#state = { kind: "accepted", endAtMs: nowMs + lifetimeMs(this.#options.timers) };
        return [{ kind: "send", response }];
      case "accepted":
        return [{ kind: "send", response }];
      case "completed":
      case "confirmed":
      case "terminated":
        return NOTHING;
    }
  }

  /**
   * proceeding → completed, on 300–699. Timer G is for clients that have stopped repeating their INVITE at a provisional response. Who has had none asks again,
   * and is answered again; a third party in whose name somebody else asks hears one answer, and not eleven.
   * @see RFC 3261 §8.2.7, §26.3.2.4
   */
  failure(response: Uint8Array, nowMs: number): readonly ServerEffect[] {
    if (this.#state.kind !== "proceeding") return NOTHING;
    const { t1Ms } = this.#options.timers;
    const isRepeated = !this.#options.reliable && this.#state.response !== undefined;
    this.#state = {
      kind: "completed",
      response,
      // Timer G on unreliable transports only; timer H always.
      retransmitAtMs: isRepeated ? nowMs + t1Ms : Number.POSITIVE_INFINITY,
      intervalMs: t1Ms,
      timeoutAtMs: nowMs + lifetimeMs(this.#options.timers),
    };
    return [{ kind: "send", response }];
  }

  /** completed → confirmed; accepted → accepted with the ACK delivered; absorbed otherwise */
  ack(nowMs: number): readonly ServerEffect[] {
    if (this.#state.kind === "accepted") return [{ kind: "deliver-ack" }];
    if (this.#state.kind !== "completed") return NOTHING;
    // Timer I: T4 to absorb further ACKs.
    this.#state = this.#options.reliable
      ? { kind: "terminated" }
      : { kind: "confirmed", endAtMs: nowMs + this.#options.timers.t4Ms };
    return NOTHING;
  }

  /** proceeding → proceeding with a 100 to make; completed → completed at timer G; → terminated at timers H, I and L */
  timeout(nowMs: number): readonly ServerEffect[] {
    const state = this.#state;
    if (nowMs < this.deadlineMs) return NOTHING;
    switch (state.kind) {
      case "proceeding":
        this.#state = { ...state, tryingAtMs: Number.POSITIVE_INFINITY };
        return [{ kind: "make-trying" }];
      case "completed": {
        if (nowMs >= state.timeoutAtMs) {
          this.#state = { kind: "terminated" };
          return [{ kind: "unacknowledged" }];
        }
        const intervalMs = Math.min(2 * state.intervalMs, this.#options.timers.t2Ms);
        this.#state = { ...state, intervalMs, retransmitAtMs: nowMs + intervalMs };
        return [{ kind: "send", response: state.response }];
      }
      case "accepted":
      case "confirmed":
        this.#state = { kind: "terminated" };
        return NOTHING;
      case "terminated":
        return NOTHING;
    }
  }

  /**
   * proceeding | completed → terminated; accepted → accepted: another 2xx may get through. A datagram that the machine could not send is as one that was lost on
   * the way: the client asks again, for which the INVITE has to be known, or it would be a second call.
   * @see RFC 3261 §17.2.4; RFC 6026 §8.8
   */
  transportError(): readonly ServerEffect[] {
    switch (this.#state.kind) {
      case "proceeding":
      case "completed":
        if (this.#options.reliable) this.#state = { kind: "terminated" };
        return [{ kind: "failed" }];
      case "accepted":
        return [{ kind: "failed" }];
      case "confirmed":
      case "terminated":
        return NOTHING;
    }
  }
}
