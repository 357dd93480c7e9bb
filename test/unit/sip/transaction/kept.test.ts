import { expect } from "chai";
import { Kept } from "../../../../node/sip/transaction/kept.ts";
import { Scheduler } from "../../../../node/runtime/scheduler.ts";
import { VirtualTime } from "../../../helpers/virtual-time.ts";

describe("what is kept of transactions that are over", () => {
  function setUp(forMs: number) {
    const time = new VirtualTime();
    const kept = new Kept(new Scheduler(time, time), forMs);
    const keep = (key: string) => kept.keep(key, Buffer.from(`octets of ${key}`));
    const has = (key: string) => kept.get(key) !== undefined;
    return { time, kept, keep, has };
  }

  it("is there until its time is over, each until its own", async () => {
    const { time, kept, keep, has } = setUp(20);
    keep("a");
    await time.advance(10);
    keep("b");
    await time.advance(9);
    expect([has("a"), has("b"), has("c"), kept.size]).to.deep.equal([true, true, false, 2]);
    expect(Buffer.from(kept.get("b")!).toString()).to.equal("octets of b");
    await time.advance(1);
    expect([has("a"), has("b")]).to.deep.equal([false, true]);
    await time.advance(10);
    expect(kept.size).to.equal(0);
    keep("d");
    await time.advance(20);
    expect(kept.size, "after it was empty").to.equal(0);
  });

  it("makes room, the oldest first, as far as it is old enough", async () => {
    const { time, kept, keep, has } = setUp(20);
    keep("a");
    await time.advance(5);
    keep("b");
    expect(kept.forgetAfter(6)).to.equal(false);
    expect(kept.forgetAfter(5)).to.equal(true);
    expect([has("a"), kept.size]).to.deep.equal([false, 1]);
    expect(kept.forgetAfter(5)).to.equal(false);
    await time.advance(19);
    expect(kept.size, "not at the time of the one that was forgotten").to.equal(1);
    await time.advance(1);
    expect(kept.size).to.equal(0);
    expect(kept.forgetAfter(0)).to.equal(false);
  });

  it("has so much room in all, and none for the long where only the short find some", async () => {
    const time = new VirtualTime();
    const kept = new Kept(new Scheduler(time, time), 20, 100_000);
    const keep = (key: string, octets: number) => kept.keep(key, Buffer.alloc(octets));
    expect([keep("a", 101), keep("b", 100)]).to.deep.equal([false, true]);
    for (let i = 0; keep(`c${i}`, 50); i++);
    expect([keep("d", 49), keep("e", 40), kept.get("d")]).to.deep.equal([true, true, Buffer.alloc(49)]);
    await time.advance(20);
    expect(keep("f", 100)).to.equal(true);
  });

  it("is forgotten at once at the end", async () => {
    const { time, kept, keep, has } = setUp(20);
    keep("a");
    await time.advance(10);
    kept.clear();
    expect(has("a")).to.equal(false);
    keep("b");
    await time.advance(19);
    expect(kept.size).to.equal(1);
    await time.advance(1);
    expect(kept.size).to.equal(0);
  });
});
