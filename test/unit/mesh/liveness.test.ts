import { expect } from "chai";
import { Liveness, pingPace } from "../../../node/mesh/liveness.ts";
import { limits } from "../../../node/runtime/limits.ts";

const { tickMs, pingIdleMs, pingEveryMs, silentMs } = limits.mesh;

describe("the liveness of a link", () => {
  let nowMs: number;
  let liveness: Liveness;
  beforeEach(() => {
    nowMs = 1_000_000;
    liveness = new Liveness(nowMs);
    liveness.pinged(nowMs);
  });

  /** Ticks until a verdict other than `well`; returns it and the time it took. */
  function next(endMs = 60_000): [string, number] {
    const startMs = nowMs;
    while (nowMs - startMs < endMs) {
      nowMs += tickMs;
      const verdict = liveness.tick(nowMs);
      if (verdict === "ping") liveness.pinged(nowMs);
      if (verdict !== "well") return [verdict, nowMs - startMs];
    }
    return ["well", endMs];
  }

  it("pings when nothing is heard, and again, and then gives up within two seconds", () => {
    expect(next()).deep.equals(["ping", pingIdleMs]);
    expect(next()).deep.equals(["ping", pingIdleMs]);
    expect(next()).deep.equals(["silent", silentMs - 2 * pingIdleMs]);
    expect(silentMs + tickMs).lessThan(2000);
  });

  it("does not ping a busy link, but now and then, to measure it", () => {
    const startMs = nowMs;
    for (;;) {
      nowMs += tickMs;
      liveness.heard(nowMs);
      if (liveness.tick(nowMs) === "ping") break;
    }
    expect(nowMs - startMs).equals(pingEveryMs);
  });

  it("smooths the round trip, and measures only the answer to the latest ping", () => {
    expect(liveness.roundTripMs).equals(undefined);
    const first = liveness.pinged(nowMs);
    liveness.ponged(first, nowMs + 80);
    expect(liveness.roundTripMs).equals(80);
    liveness.ponged(first, nowMs + 8000);
    expect(liveness.roundTripMs).equals(80);
    const second = liveness.pinged(nowMs + 100);
    liveness.ponged(second, nowMs + 100);
    expect(liveness.roundTripMs).equals(70);
  });

  it("pings less often where there are many links, and notices silence in proportion later", () => {
    const { pingLinks, pingSlowdown } = limits.mesh;
    const pace = pingPace(2 * pingLinks);
    const verdicts: [string, number][] = [];
    for (const startMs = nowMs; verdicts.at(-1)?.[0] !== "silent"; nowMs += tickMs) {
      const verdict = liveness.tick(nowMs, pace);
      if (verdict === "ping") liveness.pinged(nowMs);
      if (verdict !== "well") verdicts.push([verdict, nowMs - startMs]);
    }
    expect(verdicts).deep.equals([
      ["ping", 2 * pingIdleMs],
      ["ping", 4 * pingIdleMs],
      ["silent", 2 * silentMs],
    ]);
    expect([0, 1, pingLinks, 100 * pingLinks].map(pingPace)).deep.equals([1, 1, 1, pingSlowdown]);
  });
});
