import { expect } from "chai";
import type { MonotonicMs } from "../../../node/runtime/clock.ts";
import type { Task } from "../../../node/runtime/scheduler.ts";
import { Scheduler } from "../../../node/runtime/scheduler.ts";

describe("the scheduler", () => {
  it("wakes all that are due at once, in several turns of the event loop when they are many", () => {
    let nowMs = 0;
    const wakes: { delayMs: number; wake: () => void }[] = [];
    const clock = { monotonicMs: () => nowMs as MonotonicMs, wallMs: () => nowMs };
    const timers = { after: (delayMs: number, wake: () => void) => (wakes.push({ delayMs, wake }), () => {}) };
    const scheduler = new Scheduler(clock, timers);
    let woken = 0;
    const tasks = Array.from({ length: 2_500 }, (): Task => ({ dueMs: 0, place: -1, due: () => void woken++ }));
    for (const task of tasks) scheduler.schedule(task, 10);
    nowMs = 10;
    const turns: number[] = [];
    for (let next = wakes.shift(); next !== undefined; next = wakes.shift()) {
      const before = woken;
      next.wake();
      turns.push(woken - before);
      for (const { delayMs } of wakes)
        expect(delayMs, "what arrived meanwhile comes first, and then at once").to.equal(0);
    }
    expect(turns).to.deep.equal([1_000, 1_000, 500]);
  });
});
