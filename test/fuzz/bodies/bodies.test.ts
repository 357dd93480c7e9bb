import { expect } from "chai";
import { randomFrom } from "../random.ts";
import { CORPUS } from "./corpus.ts";
import { fuzzBodies } from "./fuzz-bodies.ts";
import { mutated } from "./mutate.ts";

describe("mutated XML bodies", function () {
  this.timeout(60_000);

  it("are refused, or composed to what composes to itself, loses nothing and is nobody else's; what is told of them can be read", () => {
    const report = fuzzBodies({ seed: 1, count: 1500 });
    expect(report.accepted, "a fair share gets past the parser").to.be.greaterThan(200);
    expect(report.read).to.be.greaterThan(50);
    expect(report.lists).to.be.greaterThan(20);
    expect(report.registrations).to.be.greaterThan(5);
  });

  it("are the same for the same seed, and others for another", () => {
    const first = (seed: number) =>
      Array.from({ length: 20 }, (_, i) => mutated(CORPUS, randomFrom(seed + i)).toString("latin1"));
    expect(first(1)).to.deep.equal(first(1));
    expect(first(1)).to.not.deep.equal(first(1000));
  });
});
