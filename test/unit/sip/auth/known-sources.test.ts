import { expect } from "chai";
import { limits } from "../../../../node/runtime/limits.ts";
import { silentLogger } from "../../../../node/runtime/logger.ts";
import { GuessThrottle } from "../../../../node/sip/auth/guess-throttle.ts";
import type { KnownSource } from "../../../../node/sip/auth/known-sources.ts";
import { KnownSourcesJournal, readKnownSources } from "../../../../node/sip/auth/known-sources.ts";
import { memorySettings } from "../../../helpers/memory-storage.ts";
import { VirtualTime } from "../../../helpers/virtual-time.ts";

describe("from where users are known, across a restart", () => {
  function setUp() {
    const [time, settings] = [new VirtualTime(), memorySettings()];
    const throttle = new GuessThrottle(limits.sip.guesses);
    const known = () => throttle.proven();
    const journal = new KnownSourcesJournal({ settings, known, timers: time, logger: silentLogger });
    return { time, settings, throttle, journal };
  }

  it("is written at the end, the newest last", () => {
    const { settings, throttle, journal } = setUp();
    journal.start();
    throttle.right("alice", "192.0.2.1", 0);
    throttle.right("bob", "2001:db8::", 1);
    throttle.right("alice", "192.0.2.1", 2);
    expect(readKnownSources(settings)).to.deep.equal([]);
    journal.stop();
    expect(readKnownSources(settings)).to.deep.equal([
      ["bob", "2001:db8::"],
      ["alice", "192.0.2.1"],
    ]);
  });

  it("is written now and then, where something has changed, so that a crash costs little", async () => {
    const { time, settings, throttle, journal } = setUp();
    let writes = 0;
    const { set } = settings;
    settings.set = (name, value) => {
      writes++;
      set.call(settings, name, value);
    };
    journal.start();
    throttle.right("alice", "192.0.2.1", 0);
    await time.advance(limits.sip.guesses.writeMs);
    expect(readKnownSources(settings)).to.deep.equal([["alice", "192.0.2.1"]]);
    await time.advance(5 * limits.sip.guesses.writeMs);
    expect(writes).to.equal(1);
  });

  it("is as much as may be written, of the newest", () => {
    const settings = memorySettings();
    const many = Array.from({ length: 20 }, (_, at): KnownSource => [`user${at} ${"x".repeat(100_000)}`, "192.0.2.1"]);
    new KnownSourcesJournal({ settings, known: () => many, timers: new VirtualTime(), logger: silentLogger }).stop();
    expect(readKnownSources(settings)).to.deep.equal(many.slice(-10));
  });

  it("is nothing where the disk fails or holds something else", () => {
    const { settings, throttle, journal } = setUp();
    throttle.right("alice", "192.0.2.1", 0);
    const { set } = settings;
    settings.set = () => {
      throw new Error("disk full");
    };
    journal.stop();
    for (const odd of ["", "{", "7", '[["alice"],["a","b","c"],["a",1],"ab"]']) {
      set.call(settings, "sip.known-sources", Buffer.from(odd));
      expect(readKnownSources(settings), odd).to.deep.equal([]);
    }
  });
});
