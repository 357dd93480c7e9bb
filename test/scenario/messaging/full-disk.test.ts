import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { OperationalError } from "../../../node/runtime/errors.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import { openMemoryDatabase } from "../../../node/storage/database.ts";
import { createMessageStore } from "../../../node/storage/message-store.ts";
import { openMemoryStorage } from "../../../node/storage/storage.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const BOB = "sip:bob@example.com" as Aor;

describe("messages that cannot be held because the disk is full", () => {
  it("are refused and counted, and do not fill the log as well", async () => {
    const domain = new SimulatedDomain();
    const storage = openMemoryStorage();
    const hold = (): boolean => {
      throw new OperationalError("DISK_FULL", "no room left");
    };
    const lines: { leftOut?: number }[] = [];
    const logger = { ...silentLogger, error: (fields: object) => void lines.push(fields), child: () => logger };
    const one = domain.server("one", { storage: { ...storage, messages: { ...storage.messages, hold } }, logger });
    const joe = domain.device("joe", one);
    const write = async (times: number) => {
      const answers = Array.from({ length: times }, () => joe.message(BOB, "hello?"));
      await domain.time.advance(100);
      return (await Promise.all(answers)).map(({ status }) => status);
    };
    expect(new Set(await write(20))).to.deep.equal(new Set([480]));
    await domain.time.advance(1_000);
    await write(1);
    expect(one.counters.get("messaging.held_failed")).to.equal(21);
    expect(lines.map(({ leftOut }) => leftOut)).to.deep.equal([undefined, 19]);
  });
});

describe("messages that are delivered while the disk is full", () => {
  it("do not come a second time, neither when there is room nor after a restart", async () => {
    const domain = new SimulatedDomain();
    const storage = openMemoryStorage();
    let isFull = true;
    // As in a transaction that is taken back at the end of the turn.
    let isGone = false;
    const remove: typeof storage.messages.remove = (id, isBack = () => {}) => {
      if (!isFull) return storage.messages.remove(id, isBack);
      isGone = true;
      domain.time.after(0, () => {
        isGone = false;
        isBack();
      });
      return true;
    };
    const next: typeof storage.messages.next = (...of) => (isGone ? undefined : storage.messages.next(...of));
    const one = domain.server("one", { storage: { ...storage, messages: { ...storage.messages, remove, next } } });
    const joe = domain.device("joe", one);
    expect((await domain.time.until(joe.message(BOB, "hello"))).status).to.equal(202);
    const bob = domain.device("bob", one);
    await bob.register();
    await domain.time.advance(60_000);
    expect(bob.texts()).to.deep.equal(["hello"]);
    expect(one.held.status.messages).to.equal(1);
    isFull = false;
    await domain.time.advance(300_000);
    expect(one.held.status.messages).to.equal(0);
    expect((await domain.time.until(joe.message(BOB, "again"))).status).to.equal(200);
    await domain.stop(one);
    domain.restart(one);
    await bob.register();
    await domain.time.advance(60_000);
    expect(bob.texts()).to.deep.equal(["hello", "again"]);
  });
});

describe("messages that expire while the disk is full", () => {
  it("keep nothing from those behind them, and are removed when there is room", async () => {
    const domain = new SimulatedDomain();
    const database = openMemoryDatabase({ bytesMax: 1024 ** 2 });
    const store = createMessageStore(database);
    // A commit fails as on a full disk.
    const table = "CREATE TABLE refused (id REFERENCES held_message (id) DEFERRABLE INITIALLY DEFERRED)";
    database.durably(() => database.prepare(table).run());
    const refused = database.prepare("INSERT INTO refused VALUES (1000)");
    let isFull = true;
    let looks = 0;
    const expire: typeof store.expire = (...of) => {
      looks++;
      if (isFull) refused.run();
      return store.expire(...of);
    };
    const remove: typeof store.remove = (...of) => {
      if (isFull) refused.run();
      return store.remove(...of);
    };
    const storage = { ...openMemoryStorage(), messages: { ...store, expire, remove } };
    const one = domain.server("one", { storage });
    const joe = domain.device("joe", one);
    const expired = limits.messaging.expiredAtOnce;
    for (let i = 0; i <= expired; i++) {
      const answer = joe.message(BOB, String(i), [["Expires", i < expired ? "50" : "3600"]]);
      expect((await domain.time.until(answer)).status).to.equal(202);
    }
    await domain.time.advance(5 * 60_000);
    expect(looks, "not without a pause").to.be.lessThan(10);
    expect(one.held.status).to.deep.equal({ recipients: 1, messages: expired + 1 });
    const bob = domain.device("bob", one);
    await bob.register();
    await domain.time.advance(1_000);
    expect(bob.texts()).to.deep.equal([String(expired)]);
    isFull = false;
    await domain.time.advance(2 * 60_000);
    expect(one.held.status).to.deep.equal({ recipients: 0, messages: 0 });
  });
});
