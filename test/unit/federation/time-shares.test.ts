import { expect } from "chai";
import type { LoopTime } from "../../../node/federation/time-shares.ts";
import { TimeShares } from "../../../node/federation/time-shares.ts";
import { limits } from "../../../node/runtime/limits.ts";

const RULES = limits.federation.time;
/** What a dear request takes. */
const DEAR_MS = 6;

/** A loop that serves one request after the other, and waits a millisecond when it has served nobody. */
class Loop {
  nowMs = 0;
  idleMs = 0;
  readonly shares = new TimeShares(this.now, RULES);
  readonly #had = new Map<string, number>();

  get now(): LoopTime {
    const { nowMs, idleMs } = this;
    return { nowMs, idleMs };
  }

  /** Whether a party was served. */
  ask(party: string, ms = DEAR_MS): boolean {
    if (!this.shares.isLeft(party, this.now)) return false;
    this.serve(party, ms);
    return true;
  }

  /** What is done for a party without having been asked for just now. */
  serve(party: string, ms: number): void {
    this.work(ms);
    this.shares.took(party, ms, this.nowMs);
    this.#had.set(party, this.had(party) + ms);
  }

  /** What is nobody's. */
  work(ms: number): void {
    this.nowMs += ms;
  }

  wait(ms: number): void {
    this.nowMs += ms;
    this.idleMs += ms;
  }

  had(party: string): number {
    return this.#had.get(party) ?? 0;
  }

  /** All ask as often as they can. */
  compete(parties: readonly string[], ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.nowMs < untilMs) {
      const served = parties.filter((party) => this.ask(party));
      if (served.length === 0) this.wait(1);
    }
  }
}

describe("the time of the event loop", () => {
  it("is half of it a greedy party's who is alone, and a third each where they are two", () => {
    for (const [parties, part] of [
      [["eve"], 1 / 2],
      [["eve", "mallory"], 1 / 3],
      [["eve", "mallory", "trudy"], 1 / 4],
    ] as const) {
      const loop = new Loop();
      loop.compete(parties, 10 * RULES.windowMs);
      const before = parties.map((party) => loop.had(party));
      loop.compete(parties, 20 * RULES.windowMs);
      for (const [i, party] of parties.entries())
        expect((loop.had(party) - (before[i] ?? 0)) / (20 * RULES.windowMs)).to.be.closeTo(part, 0.02);
    }
  });

  it("is refused to nobody while the loop waits for half of it", () => {
    const loop = new Loop();
    for (let i = 0; i < 5_000; i++) {
      expect(loop.ask("joe")).to.equal(true);
      loop.wait(DEAR_MS + 1);
    }
  });

  it("is not thought to have been taken where nobody has asked for a while in which the loop mostly waited", () => {
    const loop = new Loop();
    for (let i = 0; i < 100; i++) {
      loop.serve("joe", 20);
      loop.wait(80);
    }
    expect(loop.ask("joe")).to.equal(true);
  });

  it("is left for who has had little, however busy the loop is, and not for who has had the most", () => {
    const loop = new Loop();
    loop.compete(["eve"], RULES.windowMs);
    loop.work(RULES.windowMs);
    const before = loop.had("eve");
    for (let i = 0; i < 50; i++) {
      loop.work(200);
      expect(loop.ask("joe", 1)).to.equal(true);
      while (loop.ask("eve"));
    }
    expect(loop.had("eve") - before).to.be.lessThan((2 * RULES.littleMs * loop.nowMs) / RULES.windowMs);
  });

  it("is there again for who has taken too much of it after some time in which they did not", () => {
    const loop = new Loop();
    while (loop.ask("eve"));
    loop.wait(RULES.windowMs);
    expect(loop.ask("eve")).to.equal(true);
  });

  it("counts for no longer than the window where the process stood still", () => {
    const loop = new Loop();
    loop.ask("joe");
    loop.work(24 * 3600_000);
    expect(loop.ask("joe")).to.equal(true);
    loop.wait(3 * RULES.windowMs);
    expect(loop.ask("joe", RULES.windowMs / 3)).to.equal(true);
    expect(loop.ask("joe")).to.equal(true);
  });
});
