import { expect } from "chai";
import { DeliveredNames } from "../../../node/messaging/delivered-names.ts";
import { systemClock } from "../../../node/runtime/clock.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
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
});
