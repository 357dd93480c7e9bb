import { expect } from "chai";
import { simulate } from "../../../sim/simulation.ts";

describe("the directory under simulated faults", function () {
  this.timeout(60_000);

  for (const [seed, nodes] of [
    [1, 5],
    [10, 5],
    [3, 3],
    [12, 3],
    [11, 9],
  ] as const) {
    it(`keeps its invariants with ${nodes} servers, seed ${seed}`, () => {
      const report = simulate({ seed, nodes, minutes: 1 });
      expect(report.claims.owned).to.be.above(10);
    });
  }

  it("keeps its invariants with replicas that forget all they can", () => {
    for (const seed of [21, 22, 23, 24]) {
      simulate({ seed, nodes: 5, minutes: 0.5, mix: { aors: 40, claimEveryMs: 50, forgetAfterBallots: 0 } });
    }
  });

  it("replays a run exactly", () => {
    const options = { seed: 7, nodes: 5, minutes: 0.5 };
    expect(simulate(options)).to.deep.equal(simulate(options));
  });
});
