import { expect } from "chai";
import { secondsLeft } from "../../../node/runtime/seconds-left.ts";

describe("the seconds that are left", () => {
  it("are as many as were granted at the moment they are, where a sum of fractions is a little more", () => {
    const nowMs = 4_000_000;
    const sums = Array.from({ length: 1000 }, (_, i) => nowMs + i / 7).filter((t) => t + 600_000 - t > 600_000);
    expect(sums).to.not.be.empty;
    expect(new Set(sums.map((t) => secondsLeft(t + 600_000, t)))).to.deep.equal(new Set([600]));
  });

  it("count a part of a second as one, and are none when it is over", () => {
    expect([secondsLeft(1001, 0), secondsLeft(1, 0), secondsLeft(0, 0), secondsLeft(0, 5000)]).to.deep.equal([
      ...[2, 1, 0, 0],
    ]);
  });
});
