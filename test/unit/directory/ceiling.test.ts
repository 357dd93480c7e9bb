import { expect } from "chai";
import { CeilingKeeper, readCeiling, writeCeiling } from "../../../node/directory/ceiling.ts";
import { OperationalError } from "../../../node/runtime/errors.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import type { Settings } from "../../../node/storage/ports.ts";
import { Inbox } from "../../helpers/next.ts";
import { memorySettings } from "../../helpers/memory-storage.ts";

const NAME = "directory.ceiling";

describe("the ballot ceiling on disk", () => {
  it("is 0 before the first, and then what was written", () => {
    const settings = memorySettings();
    expect(readCeiling(settings)).to.equal(0);
    writeCeiling(settings, 65_536);
    expect(readCeiling(settings)).to.equal(65_536);
  });

  for (const text of ["", "-1", "1e9", "65536 ", "\u0000", "9".repeat(15), "9".repeat(40), "sixty"]) {
    it(`that is damaged keeps the node from starting: ${JSON.stringify(text.slice(0, 20))}`, () => {
      const settings = memorySettings();
      settings.set(NAME, new TextEncoder().encode(text));
      expect(() => readCeiling(settings))
        .to.throw(OperationalError, "damaged")
        .with.property("code", "DAMAGED_SETTING");
    });
  }

  it("that cannot be stored is tried again until it is, and holds nobody up meanwhile", async () => {
    const kept = memorySettings();
    let isFull = true;
    const settings: Settings = {
      ...kept,
      set(name, value) {
        if (isFull) throw new OperationalError("DISK_FULL", "no room left");
        kept.set(name, value);
      },
    };
    const counters = createCounters();
    const stored = new Inbox<number>();
    const keeper = new CeilingKeeper({ settings, counters, logger: silentLogger }, stored.push);
    keeper.raise(100);
    expect(stored.all).to.deep.equal([]);
    expect(counters.get("directory.ceiling_failed")).to.equal(1);
    isFull = false;
    await stored.first((counter) => counter === 100, "stored ceiling");
    expect(readCeiling(kept)).to.equal(100);
    keeper.stop();
  });
});
