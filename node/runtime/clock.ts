/** Milliseconds of a clock that only goes forward, from an arbitrary start. Never comparable between processes. */
export type MonotonicMs = number & { readonly __brand: "MonotonicMs" };

/** Where drivers take time from; cores get it with each event. */
export interface Clock {
  /** Unaffected by changes of the wall clock; it goes on while the process is stopped by a signal. */
  monotonicMs(): MonotonicMs;
  /** Milliseconds since 1970; may jump. For people and for SIP's expiry dates, never for order or leases. */
  wallMs(): number;
}

/** The clocks of this machine. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now() as MonotonicMs,
  wallMs: () => Date.now(),
};
