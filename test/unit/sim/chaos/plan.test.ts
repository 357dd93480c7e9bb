import { expect } from "chai";
import fc from "fast-check";
import type { Fault } from "../../../../sim/chaos/plan.ts";
import { planChaos } from "../../../../sim/chaos/plan.ts";

const options = { servers: 7, chaosMs: 120_000, leaseMs: 3_000 };
const end = ({ atMs, forMs }: Fault) => atMs + forMs;

describe("the plan of a chaos run", () => {
  it("is the same for the same seed, and another for another", () => {
    expect(planChaos({ ...options, seed: 42 })).to.deep.equal(planChaos({ ...options, seed: 42 }));
    expect(planChaos({ ...options, seed: 42 })).not.to.deep.equal(planChaos({ ...options, seed: 43 }));
  });

  it("has every kind of fault in two minutes, whatever the seed", () => {
    for (let seed = 0; seed < 50; seed++) {
      const kinds = new Set(planChaos({ ...options, seed }).faults.map(({ kind }) => kind));
      const all = ["kill", "freeze", "block", "wipe", "leave", "cut", "one-way", "deaf", "isolate", "split"];
      expect([...kinds], `seed ${seed}`).to.have.members(all);
    }
  });

  const plans = fc
    .record({
      seed: fc.nat(),
      servers: fc.integer({ min: 3, max: 20 }),
      chaosMs: fc.integer({ min: 6_000, max: 60_000 }),
      leaseMs: fc.integer({ min: 1_000, max: 10_000 }),
    })
    .map((drawn) => planChaos(drawn));

  it("keeps a majority of the processes up, does one thing at a time to each, and ends in time", () => {
    fc.assert(
      fc.property(plans, ({ faults, servers, chaosMs }) => {
        for (const fault of faults) {
          expect(end(fault)).to.be.at.most(chaosMs);
          const down = faults.flatMap((other) =>
            "place" in other && other.atMs <= fault.atMs && fault.atMs < end(other) ? [other.place] : [],
          );
          expect(new Set(down).size, "one thing at a time").to.equal(down.length);
          expect(2 * down.length).to.be.below(servers);
        }
      }),
    );
  });

  it("freezes and blocks beyond the lease, and never takes the disk of the server that makes the rosters", () => {
    fc.assert(
      fc.property(plans, ({ faults, leaseMs }) => {
        for (const fault of faults) {
          if (fault.kind === "freeze" || fault.kind === "block") expect(fault.forMs).to.be.above(leaseMs);
          if (fault.kind === "wipe" || fault.kind === "leave") expect(fault.place).to.be.above(1);
        }
      }),
    );
  });

  it("cuts what its kind says", () => {
    fc.assert(
      fc.property(plans, ({ faults, servers }) => {
        for (const fault of faults) {
          if (!("severed" in fault)) continue;
          const cut = new Set(fault.severed.map(([from, to]) => `${from}>${to}`));
          const back = fault.severed.filter(([from, to]) => cut.has(`${to}>${from}`)).length;
          const side = servers >> 1;
          const expected = {
            cut: [2, 2],
            "one-way": [1, 0],
            deaf: [servers - 1, 0],
            isolate: [2 * (servers - 1), 2 * (servers - 1)],
            split: [2 * side * (servers - side), 2 * side * (servers - side)],
          }[fault.kind];
          expect([cut.size, back], fault.kind).to.deep.equal(expected);
        }
      }),
    );
  });

  it("freezes a server whose clock is wrong beyond its lease, and has people go there", () => {
    const { faults, deeds } = planChaos({ ...options, seed: 1, wrongClockAt: 3 });
    expect(new Set(faults.map(({ kind }) => kind))).to.have.keys("freeze");
    for (const fault of faults) expect(fault).to.include({ place: 3, forMs: 7_500 });
    const first = deeds.flatMap(({ act }) => ("places" in act ? [act.places[0]] : []));
    expect(first.filter((place) => place === 3).length).to.be.above(first.length / 3);
  });

  it("has people move, race, sign off and write from the first second on", () => {
    const { deeds, users, chaosMs } = planChaos({ ...options, seed: 1 });
    expect(new Set(deeds.map(({ act }) => act.kind))).to.have.keys("move", "race", "sign-off", "message");
    for (const user of users) {
      const [first] = deeds.filter((deed) => deed.user === user);
      expect(first?.atMs).to.be.below(1_000);
      expect(first?.act.kind).to.equal("move");
    }
    expect(deeds.every(({ atMs }) => atMs <= chaosMs)).to.equal(true);
    expect(deeds.map(({ atMs }) => atMs)).to.deep.equal(deeds.map(({ atMs }) => atMs).sort((a, b) => a - b));
  });
});
