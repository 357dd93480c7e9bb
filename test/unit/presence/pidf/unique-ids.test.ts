import { expect } from "chai";
import { UniqueIds } from "../../../../node/presence/pidf/unique-ids.ts";

/** Counts how often it is looked into. */
class CountingSet extends Set<string> {
  lookups = 0;

  override has(value: string): boolean {
    this.lookups += 1;
    return super.has(value);
  }
}

describe("ids that are unique in a document", () => {
  it("get a suffix where they are taken, and a number where that is taken too", () => {
    const ids = new UniqueIds();
    expect(["t", "t.k", "t", "u", "t", "t"].map((id) => ids.take(id, "k"))).to.deep.equal([
      ...["t", "t.k", "t.k.2", "u", "t.k.3", "t.k.4"],
    ]);
    expect(ids.take("t", "other")).to.equal("t.other");
  });

  it("take work that grows with their number, and not with its square, where all are the same", () => {
    const taken = new CountingSet();
    const ids = new UniqueIds(taken);
    const many = 2000;
    for (let i = 0; i < many; i++) ids.take("t", "k");
    for (let i = 0; i < many; i++) ids.take("t.k", "k");
    expect(taken.size).to.equal(2 * many);
    expect(taken.lookups).to.be.below(8 * many);
  });
});
