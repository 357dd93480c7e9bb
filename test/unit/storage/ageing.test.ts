import { expect } from "chai";
import { OperationalError } from "../../../node/runtime/errors.ts";
import { Ageing } from "../../../node/storage/ageing.ts";
import { memorySettings } from "../../helpers/memory-storage.ts";
import { VirtualTime } from "../../helpers/virtual-time.ts";

const HOUR_MS = 3600_000;
const DAY_MS = 24 * HOUR_MS;

describe("the time by which what is kept grows old", () => {
  it("is the wall clock, as long as that goes as it should", async () => {
    const time = new VirtualTime();
    const ageing = new Ageing(memorySettings(), time);
    expect(ageing.nowMs()).to.equal(time.wallMs());
    await time.advance(90 * DAY_MS);
    expect(ageing.nowMs()).to.equal(time.wallMs());
  });

  it("follows a clock that jumps ahead by a day an hour, and comes back with it", async () => {
    const time = new VirtualTime();
    const ageing = new Ageing(memorySettings(), time);
    const startMs = ageing.nowMs();
    time.stepWall(400 * DAY_MS);
    expect(ageing.nowMs()).to.equal(startMs);
    await time.advance(2 * HOUR_MS);
    expect(ageing.nowMs()).to.equal(startMs + 2 * DAY_MS);
    time.stepWall(-400 * DAY_MS);
    expect(ageing.nowMs())
      .to.equal(time.wallMs())
      .and.to.equal(startMs + 2 * HOUR_MS);
  });

  it("makes up within minutes for the time that a clock was behind", async () => {
    const time = new VirtualTime();
    const ageing = new Ageing(memorySettings(), time);
    time.stepWall(-400 * DAY_MS);
    await time.advance(HOUR_MS);
    expect(ageing.nowMs()).to.equal(time.wallMs());
    time.stepWall(400 * DAY_MS);
    expect(ageing.nowMs()).to.be.within(time.wallMs() - HOUR_MS, time.wallMs());
    await time.advance(HOUR_MS / 20);
    expect(ageing.nowMs()).to.equal(time.wallMs());
  });

  it("goes on from where it was in the last run, so that a start at a wrong clock is a jump like another", async () => {
    const time = new VirtualTime();
    const settings = memorySettings();
    const before = new Ageing(settings, time).nowMs();
    await time.advance(HOUR_MS);
    time.stepWall(400 * DAY_MS);
    const ageing = new Ageing(settings, time);
    expect(ageing.nowMs()).to.equal(before);
    await time.advance(420 * HOUR_MS);
    expect(ageing.nowMs()).to.equal(time.wallMs());
  });

  it("is behind after a start by an hour at most, whenever the node was killed", async () => {
    const time = new VirtualTime();
    const settings = memorySettings();
    const ageing = new Ageing(settings, time);
    for (let minute = 0; minute < 1000; minute++) {
      ageing.nowMs();
      expect(new Ageing({ ...settings, set: () => {} }, time).nowMs()).to.be.within(
        time.wallMs() - HOUR_MS,
        time.wallMs(),
      );
      await time.advance(60_000);
    }
  });

  it("goes on where it cannot be written", async () => {
    const time = new VirtualTime();
    const set = () => {
      throw new OperationalError("DISK_FULL", "no room left");
    };
    const ageing = new Ageing({ get: () => undefined, set }, time);
    await time.advance(DAY_MS);
    expect(ageing.nowMs()).to.equal(time.wallMs());
  });
});
