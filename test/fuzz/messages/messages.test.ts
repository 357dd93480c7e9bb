import { expect } from "chai";
import { CORPUS } from "./corpus.ts";
import { fuzzMessages } from "./fuzz-messages.ts";
import { mutated } from "./mutate.ts";
import { randomFrom } from "../random.ts";

describe("mutated SIP messages", function () {
  this.timeout(60_000);

  it("are refused, or parsed to what serializes and parses to the same; framed however they are cut; answered or served; and read as SIP.js reads them", async () => {
    const report = await fuzzMessages({ seed: 1, count: 2000 });
    expect(report.wellFormed, "a fair share gets past the parser").to.be.greaterThan(600);
    expect(report.served, "and past the checks of the stack").to.be.greaterThan(200);
    expect(report.compared).to.be.greaterThan(10);
    expect(report.disagreements).to.deep.equal([]);
  });

  it("are the same for the same seed, and others for another", () => {
    const first = (seed: number) =>
      Array.from({ length: 20 }, (_, i) => mutated(CORPUS, randomFrom(seed + i)).toString("latin1"));
    expect(first(1)).to.deep.equal(first(1));
    expect(first(1)).to.not.deep.equal(first(1000));
  });
});
