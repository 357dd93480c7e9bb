import { expect } from "chai";
import fc from "fast-check";
import { compareBallots, formatBallot, NO_BALLOT, parseBallot, sameBallot } from "../../dht-schema/ballot.ts";
import { anyBallot, anyUint } from "../helpers/arbitraries.ts";

/** Ballots that agree in some of their parts. */
const closeBallot = fc.record({ version: fc.nat(2), counter: fc.nat(2), member: fc.nat(2) });
const ballots = fc.oneof(anyBallot, closeBallot);

describe("ballots", () => {
  it("are totally ordered: one of any two is greater, unless they are the same", () => {
    fc.assert(
      fc.property(ballots, ballots, (a, b) => {
        expect(Math.sign(compareBallots(a, b)) + Math.sign(compareBallots(b, a))).to.equal(0);
        expect(compareBallots(a, b) === 0).to.equal(sameBallot(a, b));
        expect(sameBallot(a, b)).to.equal(formatBallot(a) === formatBallot(b));
      }),
      { numRuns: 1_000 },
    );
  });

  it("have an order that holds along chains", () => {
    fc.assert(
      fc.property(ballots, ballots, ballots, (a, b, c) => {
        if (compareBallots(a, b) <= 0 && compareBallots(b, c) <= 0) expect(compareBallots(a, c)).to.be.at.most(0);
      }),
      { numRuns: 2_000 },
    );
  });

  it("are ordered by roster version, then counter, then member, as a list of the three would be", () => {
    fc.assert(
      fc.property(ballots, ballots, (a, b) => {
        const differing = (["version", "counter", "member"] as const).find((part) => a[part] !== b[part]);
        const expected = differing === undefined ? 0 : Math.sign(a[differing] - b[differing]);
        expect(Math.sign(compareBallots(a, b))).to.equal(expected);
      }),
    );
    fc.assert(fc.property(anyBallot, (ballot) => void expect(compareBallots(ballot, NO_BALLOT)).to.be.at.least(0)));
  });

  it("are read from the text they are written as", () => {
    fc.assert(fc.property(anyBallot, (ballot) => void expect(parseBallot(formatBallot(ballot))).to.deep.equal(ballot)));
  });

  it("have one text each: whatever is read as a ballot is written as the same text", () => {
    const number = fc.oneof(
      fc.stringMatching(/^\d{0,17}$/),
      anyUint().map(String),
      fc.constantFrom("", "-1", "+1", "1e3", "0x1", " 1", "٣"),
    );
    const texts = fc.oneof(
      fc.string(),
      fc.array(number, { minLength: 2, maxLength: 4 }).map((parts) => parts.join(".")),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const ballot = parseBallot(text);
        if (ballot === undefined) return;
        expect(formatBallot(ballot)).to.equal(text);
        expect(ballot.version).to.be.at.most(0xffff_ffff);
        expect(ballot.counter).to.be.at.most(2 ** 48 - 1);
        expect(ballot.member).to.be.at.most(0xffff_ffff);
      }),
      { numRuns: 2_000 },
    );
  });
});
