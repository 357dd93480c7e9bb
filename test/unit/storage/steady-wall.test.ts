import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import type { MonotonicMs } from "../../../node/runtime/clock.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import { openMemoryStorage } from "../../../node/storage/storage.ts";
import { SteadyWall } from "../../../node/storage/steady-wall.ts";
import { VirtualTime } from "../../helpers/virtual-time.ts";

const HOUR_MS = 3600_000;

describe("the clock of what clients refresh", () => {
  let time: VirtualTime;
  let lines: string[];
  beforeEach(() => {
    time = new VirtualTime();
    lines = [];
  });
  const logger = {
    ...silentLogger,
    warn: (_fields: object, message: string) => void lines.push(message),
    error: (_fields: object, message: string) => void lines.push(message),
  };

  it("is the wall clock, and passes over a slow drift of it", async () => {
    const moves: number[] = [];
    const clock = new SteadyWall({
      ...{ clock: time, timers: time, logger },
      store: { lastHeldId: () => 0, move: (byMs) => void moves.push(byMs) },
    });
    clock.start();
    expect(clock.wallMs()).to.equal(time.wallMs());
    for (let n = 0; n < 25; n++) {
      time.stepWall(100);
      await time.advance(60_000);
    }
    expect(moves).to.deep.equal([2000]);
    expect(clock.wallMs()).to.equal(time.wallMs() - 500);
    clock.stop();
  });

  it("tells whole ms, whatever the monotonic clock tells: nothing else can be stored", () => {
    let monotonicMs = 0.25;
    const clock = { monotonicMs: () => monotonicMs as MonotonicMs, wallMs: () => time.wallMs() };
    const steady = new SteadyWall({ clock, timers: time, logger, store: { lastHeldId: () => 0, move: () => {} } });
    const before = steady.wallMs();
    monotonicMs += 1000.3;
    expect([before, steady.wallMs()]).to.deep.equal([time.wallMs(), time.wallMs() + 1000]);
  });

  it("moves what is on disk along when the wall clock is set, and says so", async () => {
    const storage = openMemoryStorage();
    const clock = new SteadyWall({ clock: time, timers: time, store: storage.expiries, logger });
    clock.start();
    const shed = { aor: parseAor("sip:alice@example.com"), callId: "1" };
    storage.shed.put({ ...shed, expiresAtMs: clock.wallMs() + HOUR_MS });
    time.stepWall(-5 * HOUR_MS);
    storage.shed.put({ ...shed, callId: "2", expiresAtMs: clock.wallMs() + HOUR_MS });
    await time.advance(1000);
    const expiresAtMs = time.wallMs() - 1000 + HOUR_MS;
    expect(storage.shed.list()).to.deep.equal(["1", "2"].map((callId) => ({ ...shed, callId, expiresAtMs })));
    expect(clock.wallMs()).to.equal(time.wallMs());
    expect(lines).to.deep.equal(["the clock of this machine was set"]);
    clock.stop();
    storage.close();
  });

  it("goes on as before while the disk fails, so that all on it is of one time", async () => {
    let isFull = true;
    const move = () => {
      if (isFull) throw new Error("disk full");
    };
    const clock = new SteadyWall({ clock: time, timers: time, store: { lastHeldId: () => 0, move }, logger });
    clock.start();
    const before = clock.wallMs();
    time.stepWall(HOUR_MS);
    await time.advance(10_000);
    expect(clock.wallMs()).to.equal(before + 10_000);
    expect(lines[0]).to.match(/could not be moved along/);
    isFull = false;
    await time.advance(1000);
    expect(clock.wallMs()).to.equal(time.wallMs());
    clock.stop();
  });
});
