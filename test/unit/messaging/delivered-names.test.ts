import { expect } from "chai";
import type { MessageName } from "../../../node/messaging/delivered-names.ts";
import { DeliveredNames } from "../../../node/messaging/delivered-names.ts";
import type { MonotonicMs } from "../../../node/runtime/clock.ts";
import { systemClock } from "../../../node/runtime/clock.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import type { MessageStore } from "../../../node/storage/ports.ts";
import { openMemoryStorage } from "../../../node/storage/storage.ts";

describe("names of delivered messages", () => {
  it("are written down where answers may have been lost, but not those that no other server can ask for", () => {
    const { messages: store } = openMemoryStorage();
    const names = new DeliveredNames({ store, clock: systemClock, logger: silentLogger });
    names.add({ key: "of another server", isHeld: false }, true);
    names.add({ key: "of a client", isHeld: false }, false);
    names.add({ key: "held", isHeld: true }, true);
    const written = () => ["of another server", "of a client", "held"].filter((key) => store.wasDelivered(key));
    expect(written()).to.deep.equal(["held"]);
    names.keep();
    expect(written()).to.deep.equal(["of another server", "held"]);
    expect(names.has({ key: "of a client", isHeld: false }, false)).to.equal(true);
  });

  it("of the last run are known for as long as somebody may ask again, without a look at the disk for each", () => {
    const run = afterRunThatDelivered(["before"]);
    run.names.add(named("this run's"), true);
    expect(["before", "this run's", "nobody's"].filter((key) => run.names.has(named(key), true))).to.deep.equal([
      "before",
      "this run's",
    ]);
    expect(run.names.has(named("before"), false)).to.equal(false);
    expect(run.looks()).to.equal(0);
    run.wait(limits.messaging.askedAgainMs);
    expect(run.names.has(named("before"), true)).to.equal(false);
    expect(run.names.has({ key: "before", isHeld: true }, true)).to.equal(true);
  });

  it("are known of the last run where they are too many for memory, too", () => {
    const run = afterRunThatDelivered(["before"], () => undefined);
    expect(["before", "nobody's"].filter((key) => run.names.has(named(key), true))).to.deep.equal(["before"]);
    expect(run.looks()).to.equal(2);
  });

  it("that are written down soon after a start are known when so many have come since that memory has forgotten them", () => {
    const run = afterRunThatDelivered([]);
    run.names.add(named("first"), true);
    run.names.keep();
    for (let i = 0; i < limits.messaging.recentNames; i++) run.names.add(named(String(i)), true);
    expect(run.names.has(named("first"), true)).to.equal(true);
    expect(run.looks()).to.equal(0);
  });

  it("are all read at once only up to a number", () => {
    const { messages: store } = openMemoryStorage();
    store.delivered("a", 1);
    store.delivered("b", 1);
    expect(store.deliveredKeys(1)).to.equal(undefined);
    expect(store.deliveredKeys(2)).to.deep.equal(new Set(["a", "b"]));
  });
});

function named(key: string): MessageName {
  return { key, isHeld: false };
}

/** Names of a run whose predecessor has delivered messages, on a clock that stands still. */
function afterRunThatDelivered(keys: readonly string[], deliveredKeys?: MessageStore["deliveredKeys"]) {
  const { messages } = openMemoryStorage();
  for (const key of keys) messages.delivered(key, Number.MAX_SAFE_INTEGER);
  let looks = 0;
  const store: MessageStore = {
    ...messages,
    ...(deliveredKeys && { deliveredKeys }),
    wasDelivered(key) {
      looks++;
      return messages.wasDelivered(key);
    },
  };
  let nowMs = 0;
  const clock = { monotonicMs: () => nowMs as MonotonicMs, wallMs: () => 0 };
  const names = new DeliveredNames({ store, clock, logger: silentLogger });
  return { names, looks: () => looks, wait: (ms: number) => (nowMs += ms) };
}
