import { expect } from "chai";
import { fuzzNodes } from "./fuzz-nodes.ts";

describe("two nodes whose clients, devices and trusted server say what cannot be read", function () {
  this.timeout(120_000);

  it("refuse it, pass it on, or do without it, and have no fault", async () => {
    const { answers, delivered, faults } = await fuzzNodes({ seed: 1, count: 3000 });
    expect(answers, "most is answered").to.be.greaterThan(1000);
    expect(delivered, "and much gets to devices").to.be.greaterThan(300);
    expect(faults).to.deep.equal([]);
  });
});
