import { expect } from "chai";
import { awakeClock } from "../../../node/mesh/awake-clock.ts";
import type { MonotonicMs } from "../../../node/runtime/clock.ts";

describe("the clock of a process that may sleep", () => {
  let nowMs: number;
  let clock: ReturnType<typeof awakeClock>;
  beforeEach(() => {
    nowMs = 5000;
    clock = awakeClock({ monotonicMs: () => nowMs as MonotonicMs, wallMs: () => 77 }, 250);
  });

  /** Goes on by `stepMs` and looks at the clock; returns by how much it went on. */
  function step(stepMs: number): number {
    const beforeMs = clock.monotonicMs();
    nowMs += stepMs;
    return clock.monotonicMs() - beforeMs;
  }

  it("goes as the clock below while it is looked at often", () => {
    expect([step(100), step(0.5), step(250), step(0)]).deep.equals([100, 0.5, 250, 0]);
  });

  it("counts no more than a step of what was slept through, each time", () => {
    expect([step(10_000), step(251), step(3_600_000)]).deep.equals([250, 250, 250]);
  });

  it("leaves the wall clock alone", () => {
    expect(clock.wallMs()).equals(77);
  });
});
