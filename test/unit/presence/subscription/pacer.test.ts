import { expect } from "chai";
import { Pacer } from "../../../../node/presence/subscription/pacer.ts";

describe("the pace of notifications", () => {
  it("lets a few pass at once, and then one an interval", () => {
    const pacer = new Pacer({ burst: 2, intervalMs: 5000 }, 0);
    expect([pacer.take(0), pacer.take(0), pacer.take(0)]).to.deep.equal([true, true, false]);
    expect(pacer.nextMs(0)).to.equal(5000);
    expect([pacer.take(4999), pacer.take(5000), pacer.take(5000)]).to.deep.equal([false, true, false]);
    expect(pacer.nextMs(6000)).to.equal(10_000);
  });

  it("keeps a gap between any two where there is one, and the interval all the same", () => {
    const pacer = new Pacer({ burst: 2, intervalMs: 5000, gapMs: 2000 }, 0);
    expect([pacer.take(0), pacer.take(1999), pacer.take(2000)]).to.deep.equal([true, false, true]);
    expect(pacer.nextMs(2000)).to.equal(5000);
    expect(pacer.take(5000)).to.equal(true);
    const slow = new Pacer({ burst: 10, intervalMs: 5000, gapMs: 20_000 }, 0);
    expect([slow.take(0), slow.nextMs(0)]).to.deep.equal([true, 20_000]);
  });

  it("keeps the gap to what was told without asking, too", () => {
    const pacer = new Pacer({ burst: 2, intervalMs: 5000, gapMs: 2000 }, 0);
    pacer.told(1000);
    expect([pacer.take(2999), pacer.take(3000)]).to.deep.equal([false, true]);
  });

  it("never saves up more than the burst", () => {
    const pacer = new Pacer({ burst: 2, intervalMs: 5000 }, 0);
    expect([1, 2, 3].map(() => pacer.take(1_000_000))).to.deep.equal([true, true, false]);
  });
});
