import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { History } from "../../../node/history/history.ts";
import { OperationalError } from "../../../node/runtime/errors.ts";
import { limits } from "../../../node/runtime/limits.ts";
import type { Logger } from "../../../node/runtime/logger.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import { createRequest } from "../../../node/sip/message/build.ts";
import type { HistoryStore } from "../../../node/storage/ports.ts";
import { Ageing } from "../../../node/storage/ageing.ts";
import { memorySettings } from "../../helpers/memory-storage.ts";
import { VirtualTime } from "../../helpers/virtual-time.ts";

const ALICE = "sip:alice@example.com" as Aor;
const BOB = "sip:bob@example.com" as Aor;
const KEEP_MS = 1e9;
const FULL_DISK = new OperationalError("DISK_FULL", "no room left to write history.db");

describe("a history", () => {
  let time: VirtualTime;
  let lines: [fields: object, message: string][];
  let store: {
    -readonly [Name in keyof HistoryStore]: HistoryStore[Name];
  };
  let failure: OperationalError | undefined;
  let ageing: Ageing;
  let history: History;
  const counters = createCounters();
  beforeEach(() => {
    time = new VirtualTime();
    ageing = new Ageing(memorySettings(), time);
    lines = [];
    failure = undefined;
    store = {
      isOpen: true,
      isFull: false,
      add: (_entry, done) => done(failure),
      find: () => [],
      remove: () => Promise.resolve(0),
      expire: () => false,
      takeOver: () => false,
      isTakingOver: () => false,
      size: () => ({ bytes: 10, bytesMax: 100 }),
      close() {},
    };
    const write = (fields: object, message: string) => void lines.push([fields, message]);
    const logger: Logger = { ...silentLogger, warn: write, info: write };
    history = new History({ store, keepMs: KEEP_MS, ageing, clock: time, timers: time, logger, counters });
    history.start();
  });
  afterEach(() => history.stop());

  const say = (count: number) => {
    const request = createRequest({
      ...{ method: "MESSAGE", uri: BOB, from: `<${ALICE}>;tag=1`, to: `<${BOB}>`, body: "hello" },
      headers: [["Content-Type", "text/plain"]],
    });
    for (let n = 0; n < count; n++) history.sent(request, ALICE, BOB);
  };

  it("names who wrote in one spelling, however the client wrote it: a conversation is found as a whole", () => {
    const peers: string[] = [];
    store.add = ({ peer }) => void peers.push(peer);
    const spellings = [
      "<sip:alice@example.com>",
      "sip:alice@EXAMPLE.com",
      '"Al" <sips:%61lice@example.com:5061;user=phone>',
      "<sip:alice@example.com;x=\u001B[31m>",
    ];
    for (const from of [...spellings, "<tel:+1>"]) {
      const fields = { method: "MESSAGE", uri: BOB, from: `${from};tag=1`, to: `<${BOB}>`, body: "hello" };
      history.received(createRequest(fields), BOB);
    }
    expect(peers).to.deep.equal([...spellings.map(() => ALICE), "tel:+1"]);
  });

  it("waits where the disk does not take a removal, however much is to be removed", async () => {
    let looks = 0;
    store.expire = (_beforeMs, isBack = () => {}) => {
      looks++;
      time.after(0, isBack);
      return true;
    };
    await time.advance(2 * limits.history.sweepMs + 1_000);
    expect(looks).to.be.within(2, 3);
    history.stop();
    await time.advance(2 * limits.history.sweepMs);
    expect(looks).to.be.within(2, 3);
  });

  it("removes next to nothing more at a clock that is far ahead for an hour", async () => {
    const cleared: number[] = [];
    store.expire = (beforeMs) => {
      cleared.push(beforeMs);
      return false;
    };
    const startMs = time.wallMs();
    time.stepWall(400 * 24 * 3600_000);
    await time.advance(3600_000);
    time.stepWall(-400 * 24 * 3600_000);
    await time.advance(3600_000);
    expect(Math.max(...cleared)).to.be.within(startMs - KEEP_MS, startMs - KEEP_MS + 24 * 3600_000);
    expect(cleared.at(-1)).to.equal(time.wallMs() - KEEP_MS);
  });

  it("that is off removes all there is, also what was written at a clock that was ahead", () => {
    let clearedMs = 0;
    store.expire = (beforeMs) => {
      clearedMs = beforeMs;
      return false;
    };
    new History({ store, keepMs: 0, ageing, clock: time, timers: time, logger: silentLogger, counters }).start();
    expect(clearedMs).to.be.greaterThan(time.wallMs() + 1e12);
  });

  it("that is off has no size, and says that it is off", () => {
    const off = new History({ store, keepMs: 0, ageing, clock: time, timers: time, logger: silentLogger, counters });
    expect(off.status()).to.deep.equal({ off: true });
    expect(history.status()).to.have.keys("size");
  });

  it("that fails says so once a minute, with how much was lost, and at once in the status", async () => {
    failure = FULL_DISK;
    const sinceMs = time.wallMs();
    say(1000);
    await time.advance(30_000);
    say(1000);
    expect(lines).to.deep.equal([
      [{ code: "DISK_FULL", lost: 1 }, "the history cannot be written: no room left to write history.db"],
    ]);
    expect(history.status().failing).to.deep.equal({
      ...{ code: "DISK_FULL", message: "no room left to write history.db", sinceMs, lost: 2000 },
    });
    await time.advance(limits.history.tellMs);
    expect(lines.map(([fields]) => fields)).to.deep.equal([
      { code: "DISK_FULL", lost: 1 },
      { code: "DISK_FULL", lost: 1999 },
    ]);
    failure = undefined;
    say(1);
    expect(history.status()).to.deep.equal({ size: { bytes: 10, bytesMax: 100 } });
    await time.advance(limits.history.tellMs);
    expect(lines.at(-1)?.[1]).to.equal("the history is written again");
    await time.advance(10 * limits.history.tellMs);
    expect(lines).to.have.length(3);
  });

  it("that is full says since when, as long as it is", async () => {
    await time.advance(5000);
    store.isFull = true;
    say(2);
    expect(history.status().fullSinceMs).to.equal(time.wallMs());
    expect(lines.map(([, message]) => message)).to.deep.equal([
      "the history is full: the oldest messages make room for new ones",
    ]);
    store.isFull = false;
    await time.advance(limits.history.sweepMs);
    expect(history.status()).to.have.keys("size");
  });

  it("that cannot be opened is tried again, and what it says is no failure of the node", async () => {
    store.isOpen = false;
    store.expire = () => {
      throw FULL_DISK;
    };
    store.size = store.expire as never;
    await time.advance(limits.history.sweepMs);
    expect(history.status()).to.have.keys("failing");
    store.expire = () => {
      store.isOpen = true;
      return false;
    };
    store.size = () => ({ bytes: 10, bytesMax: 100 });
    await time.advance(limits.history.sweepMs);
    expect(history.status()).to.have.keys("size");
  });

  it("whose store fails as nobody foresaw costs the entry, never the message or the node", async () => {
    const fail = () => {
      throw new TypeError("unforeseen");
    };
    Object.assign(store, { add: fail, size: fail, expire: fail, takeOver: fail, isTakingOver: fail });
    history.stop();
    history.start();
    say(2);
    await time.advance(limits.history.sweepMs);
    expect(history.status().failing).to.include({
      ...{ code: "STORAGE_FAILED", message: "cannot use the history: unforeseen", lost: 2 },
    });
  });

  it("is taken over from an earlier release step by step, with pauses", async () => {
    let left = 3;
    history.stop();
    store.takeOver = () => --left > 0;
    store.isTakingOver = () => left > 0;
    history.start();
    expect(history.status()).to.include({ takingOver: true });
    await time.advance(3 * limits.history.movePauseMs);
    expect(left).to.equal(0);
    expect(history.status()).to.not.have.property("takingOver");
  });
});
