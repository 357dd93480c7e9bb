import { expect } from "chai";
import fc from "fast-check";
import { PingRound } from "../../../node/registrar/ping-round.ts";

const TICK_MS = 100;

describe("whose turn it is to be pinged", () => {
  it("is that of who is new at once, and then once in each interval", () => {
    const round = new PingRound<string>(25_000, 1000);
    round.take(0);
    round.add("alice");
    const times: number[] = [];
    for (let nowMs = TICK_MS; nowMs <= 65_000; nowMs += TICK_MS) {
      if (nowMs === 10_000) round.add("alice");
      if (round.take(nowMs).length > 0) times.push(nowMs);
    }
    expect(times).to.deep.equal([100, 25_100, 50_100]);
  });

  it("is not lost or doubled where the process stood still, and there are no more than its bound at once", () => {
    const round = new PingRound<number>(30_000, 50);
    for (let user = 0; user < 120; user++) round.add(user);
    const sizes = (nowMs: number) => [1, 2, 3, 4].map(() => round.take(nowMs).length);
    expect(sizes(0)).to.deep.equal([50, 50, 20, 0]);
    expect(sizes(600_000)).to.deep.equal([50, 50, 20, 0]);
    for (let user = 120; user < 200; user++) round.add(user);
    expect(sizes(629_000)).to.deep.equal([50, 30, 0, 0]);
    expect(sizes(630_000)).to.deep.equal([50, 50, 20, 0]);
  });

  it("comes in each interval to whoever stays, whoever else comes and goes", () => {
    const step = fc.record({ add: fc.boolean(), user: fc.nat(30) });
    fc.assert(
      fc.property(fc.array(fc.array(step, { maxLength: 3 }), { maxLength: 200 }), (ticks) => {
        const round = new PingRound<number>(1000, 1000);
        round.add(-1);
        const times: number[] = [];
        ticks.forEach((steps, at) => {
          for (const { add, user } of steps)
            if (add) round.add(user);
            else round.remove(user);
          const taken = round.take(at * TICK_MS);
          expect(new Set(taken).size).to.equal(taken.length);
          if (taken.includes(-1)) times.push(at * TICK_MS);
        });
        expect(times).to.deep.equal(Array.from({ length: Math.ceil(ticks.length / 10) }, (_, n) => n * 1000));
      }),
    );
  });
});
