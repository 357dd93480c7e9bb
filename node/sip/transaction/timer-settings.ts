/** The base timers of SIP; all others derive from them. @see RFC 3261 §17.1.1.1, table 4 */
export interface TimerSettings {
  /** Estimate of a round trip. */
  readonly t1Ms: number;
  /** Longest interval between retransmissions of a non-INVITE request or a final response to INVITE. */
  readonly t2Ms: number;
  /** Longest time a message stays in the network. */
  readonly t4Ms: number;
}

/** The values of RFC 3261. */
export const RFC3261_TIMERS: TimerSettings = { t1Ms: 500, t2Ms: 4000, t4Ms: 5000 };

/** 64·T1: how long a transaction is tried, and how long what may be retransmitted is remembered. */
export function lifetimeMs(timers: TimerSettings): number {
  return 64 * timers.t1Ms;
}

/** How a machine is set up. */
export interface TransactionOptions {
  /** Whether the transport keeps messages from being lost: then nothing is retransmitted. */
  readonly reliable: boolean;
  readonly timers: TimerSettings;
}

/** What a client machine wants done. */
export type ClientEffect =
  /** Send the request again. */
  | "send"
  /** Hand the response just received to the user of the transaction. */
  | "deliver"
  /** Acknowledge the final response just received, or received before. */
  | "acknowledge"
  /** Tell the user that nobody answered in time. */
  | "timed-out"
  /** Tell the user that the request could not be sent. */
  | "failed";

/** What a server machine wants done. */
export type ServerEffect =
  | { readonly kind: "send"; readonly response: Uint8Array }
  /** Make a 100 (Trying) and give it to `provisional`. */
  | { readonly kind: "make-trying" }
  /** Hand the ACK just received to the user of the transaction. */
  | { readonly kind: "deliver-ack" }
  /** The user gave no final response while the client waited. */
  | { readonly kind: "unanswered" }
  /** No ACK to a final response arrived. */
  | { readonly kind: "unacknowledged" }
  /** A response could not be sent. */
  | { readonly kind: "failed" };

/** Shared by every event that has no effect. */
export const NOTHING: readonly never[] = [];
