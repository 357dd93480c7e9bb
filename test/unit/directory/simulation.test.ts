import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import { simulate } from "../../../sim/simulation.ts";
import { Trace } from "../../../sim/trace.ts";

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
    for (const seed of [21, 22]) {
      simulate({ seed, nodes: 5, minutes: 0.5, mix: { aors: 40, claimEveryMs: 50, forgetAfterBallots: 0 } });
    }
  });

  it("keeps epochs rising and receivers fencing (I1, I3) with clocks far outside the bound, when two own at once", () => {
    let overlaps = 0;
    let refused = 0;
    for (const seed of [12, 15, 32]) {
      const mix = { aors: 1, claimEveryMs: 200, takeOver: 1, effectEveryMs: 50, clockEveryMs: 3_000 };
      const report = simulate({ seed, nodes: 5, minutes: 1, clocks: "wrong", mix });
      overlaps += report.overlaps;
      refused += report.effects.refused;
    }
    expect(overlaps, "else the clocks were not wrong enough to show anything").to.be.above(0);
    expect(refused).to.be.above(0);
  });

  it("is traced for one user, every message with its arrival", () => {
    const lines: string[] = [];
    const aor = parseAor("sip:user1@example.com");
    const options = { seed: 4, nodes: 3, minutes: 0.5, mix: { aors: 1, claimEveryMs: 300, takeOver: 1, since: 0 } };
    const trace = new Trace({ aor, fromMs: 0, toMs: 30_000, write: (line) => void lines.push(line) });
    expect(simulate(options, trace), "a trace changes nothing").to.deep.equal(simulate(options));
    const text = lines.join("");
    expect(text).to.match(/^ +[\d.]+ {2}\d+ → \d+ {2}prepare op=\d+ ballot=\d+\.\d+\.\d+ boot=1 v\d+$/m);
    expect(text).to.match(/^ +[\d.]+ {2}\d+ ⇒ \d+ {2}(accepted|promised) op=\d+ /m);
    expect(text).to.match(/^ +[\d.]+ {2}\d+ {6}claimed claim=\d+ result={kind=owned epoch=/m);
    expect(text).to.match(/^ +[\d.]+ {2}--- roster 2\.\d+: voters /m);
  });

  it("replays a run exactly", () => {
    const options = { seed: 7, nodes: 5, minutes: 0.5 };
    expect(simulate(options)).to.deep.equal(simulate(options));
  });
});
