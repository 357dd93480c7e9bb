import { expect } from "chai";
import fc from "fast-check";
import { maxBreadthOf, shareBreadth } from "../../../node/federation/breadth.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { createHeaders } from "../../../node/sip/message/headers.ts";

describe("the breadth of a request", () => {
  it("is what the field says, and never more than the node allows", () => {
    const breadth = (value: string) => maxBreadthOf(createHeaders([["Max-Breadth", value]]));
    expect(maxBreadthOf(createHeaders())).to.equal(limits.federation.maxBreadth);
    expect(breadth(" 7 ")).to.equal(7);
    expect(breadth("0")).to.equal(0);
    expect(breadth("999999999")).to.equal(limits.federation.maxBreadth);
    for (const value of ["", "-1", "1.5", "many", "1234567890"]) expect(breadth(value), value).to.equal(undefined);
  });

  it("is shared among all branches, wholly and evenly, or not at all", () => {
    fc.assert(
      fc.property(fc.nat(100), fc.integer({ min: 1, max: 100 }), (breadth, branches) => {
        const shares = shareBreadth(breadth, branches);
        if (breadth < branches) {
          expect(shares).to.equal(undefined);
          return;
        }
        expect(shares).to.have.length(branches);
        expect(shares?.reduce((sum, share) => sum + share)).to.equal(breadth);
        expect(Math.max(...shares!) - Math.min(...shares!)).to.be.at.most(1);
      }),
    );
  });
});
