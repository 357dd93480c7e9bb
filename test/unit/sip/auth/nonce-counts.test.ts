import { expect } from "chai";
import fc from "fast-check";
import { NonceCounts } from "../../../../node/sip/auth/nonce-counts.ts";

describe("nonce counts", () => {
  it("never let the same count of a nonce through twice", () => {
    const use = fc.record({ nonce: fc.integer({ min: 0, max: 9 }), count: fc.integer({ min: 1, max: 100 }) });
    fc.assert(
      fc.property(fc.array(use, { maxLength: 300 }), fc.integer({ min: 1, max: 12 }), (uses, capacity) => {
        const counts = new NonceCounts(capacity);
        const used = new Set<string>();
        for (const { nonce, count } of uses) {
          const key = `${nonce} ${count}`;
          // Nonces are issued in the order of their numbers.
          if (!counts.use(String(nonce), nonce, count)) continue;
          expect(used.has(key), key).to.equal(false);
          used.add(key);
          expect(counts.size).to.be.at.most(capacity);
        }
      }),
    );
  });

  it("take counts that overtake each other by less than 32", () => {
    const counts = new NonceCounts(1);
    expect(counts.use("n", 0, 40)).to.equal(true);
    expect(counts.use("n", 0, 9)).to.equal(true);
    expect(counts.use("n", 0, 8)).to.equal(false);
  });

  it("take new nonces when full, and refuse old ones they have forgotten", () => {
    const counts = new NonceCounts(2);
    for (const time of [1, 2, 3]) expect(counts.use(`n${time}`, time, 1)).to.equal(true);
    expect(counts.use("n1", 1, 2)).to.equal(false);
    expect(counts.use("n3", 3, 2)).to.equal(true);
    expect(counts.use("n4", 4, 1)).to.equal(true);
  });
});
