import type { Clock, MonotonicMs } from "../runtime/clock.ts";

/**
 * The time during which this process was awake. A step longer than `maxStepMs` between two looks means that our own event loop stood
 * still (stopped by a signal, starved, collecting garbage); the rest of it does not count, for nobody read the sockets meanwhile: a
 * peer's silence may only be counted while we listened. Has to be looked at more often than `maxStepMs`.
 */
export function awakeClock(clock: Clock, maxStepMs: number): Clock {
  let lastMs = clock.monotonicMs();
  let awakeMs: number = lastMs;
  return {
    monotonicMs() {
      const nowMs = clock.monotonicMs();
      awakeMs += Math.min(nowMs - lastMs, maxStepMs);
      lastMs = nowMs;
      return awakeMs as MonotonicMs;
    },
    wallMs: () => clock.wallMs(),
  };
}
