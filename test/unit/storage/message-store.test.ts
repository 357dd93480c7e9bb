import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { openMemoryDatabase } from "../../../node/storage/database.ts";
import { createMessageStore } from "../../../node/storage/message-store.ts";

describe("names of delivered messages on disk", () => {
  it("are forgotten when their time is over, and the oldest where there are too many, over a restart too", () => {
    const database = openMemoryDatabase({ bytesMax: 1024 ** 2 });
    const store = createMessageStore(database, 3);
    const known = (of = store) => ["a", "b", "c", "d", "e", "f"].filter((key) => of.wasDelivered(key)).join("");
    ["a", "b", "c", "d", "e"].forEach((key, i) => store.delivered(key, 1000 + i));
    store.delivered("e", 2000);
    store.expire(1000);
    expect(known()).to.equal("cde");
    const next = createMessageStore(database, 3);
    next.delivered("f", 500);
    next.expire(400);
    expect(known(next)).to.equal("cde");
    next.expire(1003);
    expect(known(next)).to.equal("e");
    database.close();
  });
});

describe("held messages on disk", () => {
  it("that have expired are found without reading all of them, and named", () => {
    const database = openMemoryDatabase({ bytesMax: 1024 ** 2 });
    const store = createMessageStore(database);
    const [recipient, sender] = ["sip:bob@example.com" as Aor, "sip:joe@example.com"];
    for (const [key, expiresAtMs] of [
      ["a", 1000],
      ["b", 2000],
    ] as const)
      store.hold({ key, recipient, sender, expiresAtMs, message: new Uint8Array(7) });
    expect(store.expire(1000)).to.deep.equal({ expired: [{ recipient, sender, bytes: 7 }], hasMore: false });
    expect(store.recipients()).to.deep.equal([{ recipient, messages: 1 }]);
    const plan = database.prepare("EXPLAIN QUERY PLAN DELETE FROM held_message WHERE expires_at_ms <= 1").get();
    expect(plan?.["detail"]).to.match(/^SEARCH/);
    database.close();
  });

  it("are removed so many at once where many have expired, the oldest first, and so are names", () => {
    const database = openMemoryDatabase({ bytesMax: 1024 ** 2 });
    const store = createMessageStore(database, 1);
    const [recipient, sender] = ["sip:bob@example.com" as Aor, "sip:joe@example.com"];
    const { expiredAtOnce } = limits.messaging;
    for (let i = expiredAtOnce; i >= 0; i--) {
      store.hold({ key: String(i), recipient, sender, expiresAtMs: i, message: new Uint8Array(7) });
      store.delivered(String(i), i);
      store.delivered(`late ${i}`, 5000);
    }
    const names = () => store.deliveredKeys(1000)?.size;
    const first = store.expire(1000);
    expect([first.expired.length, first.hasMore]).to.deep.equal([expiredAtOnce, true]);
    expect(store.next(recipient)?.key).to.equal(String(expiredAtOnce));
    expect(names()).to.equal(2);
    const second = store.expire(1000);
    expect([second.expired.length, second.hasMore, names()]).to.deep.equal([1, false, 1]);
    database.close();
  });

  it("are there again, and their holder is told, where their removal could not be written", async () => {
    const database = openMemoryDatabase({ bytesMax: 1024 ** 2 });
    const store = createMessageStore(database);
    const [recipient, sender] = ["sip:bob@example.com" as Aor, "sip:joe@example.com"];
    store.hold({ key: "a", recipient, sender, expiresAtMs: 1000, message: new Uint8Array(7) });
    const id = store.next(recipient)!.id;
    const turnEnds = () => new Promise<void>((done) => database.group.join({ done: () => done() }));
    // A commit fails as on a full disk.
    database.prepare("CREATE TABLE refused (id REFERENCES held_message (id) DEFERRABLE INITIALLY DEFERRED)").run();
    let times = 0;
    expect(store.remove(id, () => times++)).to.equal(true);
    database.prepare("INSERT INTO refused VALUES (1000)").run();
    await turnEnds();
    expect([times, store.next(recipient)?.id]).to.deep.equal([1, id]);
    expect(store.remove(id, () => times++)).to.equal(true);
    await turnEnds();
    expect([times, store.next(recipient)]).to.deep.equal([1, undefined]);
    database.close();
  });
});
