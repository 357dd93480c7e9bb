import { expect } from "chai";
import fc from "fast-check";
import { editDistance, nearest, suggestion } from "../../../node/runtime/did-you-mean.ts";

/** The definition, slow and obvious. */
function slowDistance(a: string, b: string): number {
  if (a === "" || b === "") return a.length + b.length;
  const same = a.at(-1) === b.at(-1);
  const distances = [
    slowDistance(a.slice(0, -1), b) + 1,
    slowDistance(a, b.slice(0, -1)) + 1,
    slowDistance(a.slice(0, -1), b.slice(0, -1)) + (same ? 0 : 1),
  ];
  if (a.length > 1 && b.length > 1 && a.at(-1) === b.at(-2) && a.at(-2) === b.at(-1)) {
    distances.push(slowDistance(a.slice(0, -2), b.slice(0, -2)) + 1);
  }
  return Math.min(...distances);
}

describe("a suggestion", () => {
  const names = ["domain", "data", "on-conflict", "log-level"];

  it("is the name of which the word is a slip", () => {
    expect(nearest("domian", names)).to.equal("domain");
    expect(nearest("date", names)).to.equal("data");
    expect(nearest("onconflict", names)).to.equal("on-conflict");
    expect(suggestion("LOGLEVEL", names)).to.equal(" (did you mean log-level?)");
  });

  it("has a letter in common with the word, however short that is", () => {
    expect(nearest("s4", ["m1", "s1"])).to.equal("s1");
    expect(nearest("zz", ["m1", "s1"])).to.equal(undefined);
  });

  it("is not made when nothing is near", () => {
    expect(nearest("colour", names)).to.equal(undefined);
    expect(suggestion("xyz", names)).to.equal("");
  });

  it("counts slips as the definition does", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 6 });
    fc.assert(fc.property(word, word, (a, b) => editDistance(a, b) === slowDistance(a, b)));
  });
});
