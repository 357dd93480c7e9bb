import { expect } from "chai";
import { FanOut } from "../../../node/presence/server/fan-out.ts";
import { VirtualTime } from "../../helpers/virtual-time.ts";

function subscribers(count: number) {
  const told: number[] = [];
  const all = Array.from({ length: count }, (_, index) => ({ tell: () => void told.push(index) }));
  return { told, all };
}

describe("a fan-out", () => {
  it("tells a few at once, and many over several turns of the event loop, each once", async () => {
    const time = new VirtualTime();
    const { told, all } = subscribers(300);
    new FanOut(time).tell(all);
    const atOnce = told.length;
    expect(atOnce).to.be.within(1, 299);
    await time.advance(0);
    expect(told).to.deep.equal(all.map((_, index) => index));
  });

  it("tells whoever still waits only once when another change comes meanwhile", async () => {
    const time = new VirtualTime();
    const { told, all } = subscribers(300);
    const fanOut = new FanOut(time);
    fanOut.tell(all);
    const atOnce = told.length;
    fanOut.tell(all);
    await time.advance(0);
    expect(told).to.have.length(300 + atOnce);
  });

  it("takes subscribers that come while others are being told", async () => {
    const time = new VirtualTime();
    const { told, all } = subscribers(3);
    const fanOut = new FanOut(time);
    fanOut.tell([{ tell: () => fanOut.tell(all) }]);
    await time.advance(0);
    expect(told).to.deep.equal([0, 1, 2]);
  });

  it("goes on after a fault of one subscriber", async () => {
    const time = new VirtualTime();
    const { told, all } = subscribers(3);
    const fanOut = new FanOut(time);
    const faulty = {
      tell() {
        throw new TypeError("a fault");
      },
    };
    expect(() => fanOut.tell([faulty, ...all])).to.throw("a fault");
    await time.advance(0);
    fanOut.tell(all);
    expect(told).to.deep.equal([0, 1, 2, 0, 1, 2]);
  });
});
