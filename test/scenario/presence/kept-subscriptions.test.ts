import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import type { WriteGroup } from "../../../node/storage/ports.ts";
import { openMemoryStorage } from "../../../node/storage/storage.ts";
import { PresenceWorld } from "./presence-world.ts";

describe("a subscription that has to outlive the process", () => {
  it("is confirmed, and its first NOTIFY sent, when it is on disk and not before", async () => {
    const waiting: Parameters<WriteGroup["join"]>[0][] = [];
    const group: WriteGroup = { join: (member) => void waiting.push(member), isWritable: () => true };
    const world = new PresenceWorld();
    const joe = world.phone("joe", world.server("one", { ...openMemoryStorage(), group }));
    let isConfirmed = false;
    const subscribed = joe.subscribe(parseAor("sip:alice@example.com")).then(() => void (isConfirmed = true));
    await world.time.advance(100);
    expect({ isConfirmed, told: joe.client.received.length, waiting: waiting.length }).to.deep.equal({
      isConfirmed: false,
      told: 0,
      waiting: 1,
    });
    for (const { done } of waiting) done(true);
    await world.time.until(subscribed);
    await world.time.advance(100);
    expect(joe.client.received.map(({ method }) => method)).to.deep.equal(["NOTIFY"]);
  });
});
