import { expect } from "chai";
import fc from "fast-check";
import { PingRound } from "../../../node/registrar/ping-round.ts";

const TICK_MS = 100;

describe("whose turn it is to be pinged", () => {
  it("is everybody's once in an interval, as evenly as can be", () => {
    const round = new PingRound<number>(30_000, 1000);
    const users = Array.from({ length: 600 }, (_, at) => at);
    users.forEach((user) => round.add(user));
    const turns: number[] = [];
    round.take(0);
    for (let nowMs = TICK_MS; nowMs <= 30_000; nowMs += TICK_MS) {
      const taken = round.take(nowMs);
      expect(taken.length, "of a tick").to.be.within(1, 3);
      turns.push(...taken);
    }
    expect(turns).to.deep.equal(users);
  });

  it("comes to one alone after the interval, not before", () => {
    const round = new PingRound<string>(30_000, 1000);
    round.take(0);
    round.add("alice");
    const times: number[] = [];
    for (let nowMs = TICK_MS; nowMs <= 65_000; nowMs += TICK_MS) if (round.take(nowMs).length > 0) times.push(nowMs);
    expect(times.map((ms) => Math.round(ms / 1000))).to.deep.equal([30, 60]);
  });

  it("is not lost or doubled where the process stood still, and goes no faster than its bound", () => {
    const round = new PingRound<number>(30_000, 50);
    for (let user = 0; user < 120; user++) round.add(user);
    round.take(0);
    expect([round.take(600_000).length, round.take(600_000).length]).to.deep.equal([50, 0]);
    expect(round.take(600_000 + 30_000)).to.have.length(50);
  });

  it("comes within two intervals to whoever stays, whoever else comes and goes", () => {
    const step = fc.record({ add: fc.boolean(), user: fc.nat(30) });
    fc.assert(
      fc.property(fc.array(fc.array(step, { maxLength: 3 }), { maxLength: 200 }), (ticks) => {
        const round = new PingRound<number>(1000, 1000);
        round.add(-1);
        round.take(0);
        let lastMs = 0;
        ticks.forEach((steps, at) => {
          for (const { add, user } of steps)
            if (add) round.add(user);
            else round.remove(user);
          const nowMs = (at + 1) * TICK_MS;
          const taken = round.take(nowMs);
          expect(new Set(taken).size).to.equal(taken.length);
          if (taken.includes(-1)) lastMs = nowMs;
          expect(nowMs - lastMs).to.be.at.most(2000);
        });
      }),
    );
  });
});
