import { expect } from "chai";
import { Laboratory, runsTypeScript } from "../../../sim/mutants/laboratory.ts";
import { mutants } from "../../../sim/mutants/mutants.ts";

describe("the checkers of the simulation, when a rule of the directory is broken", function () {
  this.timeout(120_000);
  let laboratory: Laboratory;

  before(function () {
    if (!runsTypeScript) this.skip();
    laboratory = new Laboratory();
  });
  after(() => laboratory?.close());

  for (const mutant of mutants.filter(({ survives }) => survives === undefined)) {
    const { name, rule, rare, seeds } = mutant;
    it(`notice ${rare === undefined ? `within ${seeds} seeds` : `by seed ${rare}`}: ${rule} (${name})`, async () => {
      const caught = rare === undefined ? laboratory.hunt(mutant) : laboratory.tryOn(mutant, rare);
      expect(await caught).to.not.equal(undefined);
    });
  }

  it("says so when a mutant is not about the sources as they are", async () => {
    const [first] = mutants;
    const edits = [{ file: "node/directory/core/quorum.ts", find: "no such line", replace: "" }];
    const error = await laboratory.hunt({ ...first!, name: "out-of-date", edits }).catch((caught: unknown) => caught);
    expect(error)
      .to.be.an("error")
      .with.property("message")
      .that.includes("stands 0 times in node/directory/core/quorum.ts");
  });
});
