/** Where drivers get their wake-ups from, so that tests can run them on virtual time. */
export interface Timers {
  /** Calls `wake` once after `delayMs` (0: after the current turn of the event loop); returns how to cancel. */
  after(delayMs: number, wake: () => void): () => void;
}

const MAX_DELAY_MS = 2 ** 31 - 1;

/** The timers of this process; they do not keep it alive. */
export const systemTimers: Timers = {
  after(delayMs, wake) {
    if (delayMs <= 0) {
      const immediate = setImmediate(wake);
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(wake, Math.min(Math.ceil(delayMs), MAX_DELAY_MS));
    timer.unref();
    return () => clearTimeout(timer);
  },
};
