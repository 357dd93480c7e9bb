import { expect } from "chai";
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Aor } from "../../../dht-schema/aor.ts";
import { parseAor } from "../../../dht-schema/aor.ts";
import { AortaError } from "../../../node/runtime/errors.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import { openMemoryDatabase } from "../../../node/storage/database.ts";
import { historySchema } from "../../../node/storage/history-schema.ts";
import { createHistoryStore } from "../../../node/storage/history-store.ts";
import { createOldHistory } from "../../../node/storage/old-history.ts";
import type { Storage } from "../../../node/storage/ports.ts";
import { APPLICATION_ID, migrations } from "../../../node/storage/schema.ts";
import { openStorage } from "../../../node/storage/storage.ts";
import { useFolders } from "./folders.ts";

const MIB = 1024 * 1024;
const aorOf = (name: string) => parseAor(`sip:${name}@example.com`);

describe("what users wrote, on disk", () => {
  const newFolder = useFolders();
  let folder: string;
  let storage: Storage;
  const open = (historyBytesMax = 8 * MIB) =>
    (storage = openStorage(folder, { logger: silentLogger, historyBytesMax, databaseBytesMax: MIB }));
  beforeEach(() => {
    folder = newFolder();
  });
  afterEach(() => storage.close());

  const file = () => join(folder, "history.db");
  const add = (user: Aor, atMs: number, text: string) =>
    new Promise<AortaError | undefined>((resolve) =>
      storage.history.add({ user, peer: "sip:x@example.com", sent: true, atMs, callId: "c", text }, resolve),
    );
  const found = (user: Aor, ...words: string[]) =>
    storage.history
      .find({ user, words, sinceMs: 0, beforeMs: Number.MAX_SAFE_INTEGER, limit: 100_000 })
      .map(({ text }) => text);
  const register = (name: string) =>
    storage.contacts.put({
      ...{ aor: aorOf(name), uri: `sip:${name}@127.0.0.1`, flow: "{}", callId: "c", cseq: 1, expiresAtMs: 1 },
      ...{ q: 0, userAgent: "", instance: "", epoch: "" },
    });

  it("is in a file of its own, found at once, and kept when the turn of the event loop is over", async () => {
    open();
    const kept = add(aorOf("alice"), 1, "Meet me at the café");
    expect(found(aorOf("alice"), "cafe")).to.have.length(1);
    expect(await kept).to.equal(undefined);
    const other = new DatabaseSync(file(), { readOnly: true });
    expect(other.prepare("SELECT text FROM history").all()).to.have.length(1);
    other.close();
    expect(statSync(file()).mode & 0o777).to.equal(0o600);
  });

  it("is removed of one user step by step, and leaves nothing of them in the file", async () => {
    open();
    const [alice, bob] = [aorOf("alice"), aorOf("bob")];
    const { removedAtOnce } = limits.history;
    for (let i = 0; i <= removedAtOnce; i++) await add(alice, i, `secret words of number ${i}`);
    await add(bob, 1, "not hers");
    expect(await storage.history.remove(alice)).to.equal(removedAtOnce);
    expect(found(alice), "the oldest go first").to.deep.equal([`secret words of number ${removedAtOnce}`]);
    expect(await storage.history.remove(alice)).to.equal(1);
    expect(await storage.history.remove(alice)).to.equal(0);
    expect([found(alice), found(alice, "secret"), found(bob, "hers")]).to.deep.equal([[], [], ["not hers"]]);
    storage.close();
    const octets = readFileSync(file()).toString("latin1");
    expect(octets).to.contain("not hers").and.to.not.contain("secret words");
    open();
  });

  it("is not said to be removed where that could not be written", async () => {
    open();
    const database = openMemoryDatabase({ schema: historySchema, bytesMax: 8 * MIB });
    const store = createHistoryStore(() => database, createOldHistory(openMemoryDatabase({ bytesMax: MIB })));
    const alice = aorOf("alice");
    const query = { user: alice, words: [], sinceMs: 0, beforeMs: 9, limit: 9 };
    await new Promise((done) =>
      store.add({ user: alice, peer: "sip:x@example.com", sent: true, atMs: 1, callId: "c", text: "stays" }, done),
    );
    // A commit fails as on a full disk.
    const table = "CREATE TABLE refused (id REFERENCES history (id) DEFERRABLE INITIALLY DEFERRED)";
    database.durably(() => database.prepare(table).run());
    const removal = store.remove(alice).catch((error: unknown) => error);
    database.prepare("INSERT INTO refused VALUES (1000)").run();
    expect(await removal).to.be.instanceOf(AortaError);
    expect(store.find(query).map(({ text }) => text)).to.deep.equal(["stays"]);
    const isBack = new Promise<void>((back) => store.expire(9, back));
    database.prepare("INSERT INTO refused VALUES (1000)").run();
    await isBack;
    expect(await store.remove(alice)).to.equal(1);
    store.close();
  });

  it("is found by words within text without spaces, by emoji, and whatever the width of its characters", async () => {
    open();
    const alice = aorOf("alice");
    const texts = [
      "今日は東京で会議があります",
      "明天去北京开会",
      "コーヒー ｶﾌｪ",
      "남대문시장에서 만나요",
      "ที่สถานีรถไฟ",
      "fine👍🏽 🎉🇩🇪",
      "Ｈｅｌｌｏ cafe\u0301",
    ];
    for (const [n, text] of texts.entries()) await add(alice, n, text);
    const which = (...words: string[]) => found(alice, ...words).map((text) => texts.indexOf(text));
    for (const [words, expected] of [
      [["東京"], [0]],
      [["会"], [1, 0]],
      [["京会"], []],
      [["会議", "今日"], [0]],
      [["北京开"], [1]],
      [["ヒー"], [2]],
      [["カフェ"], [2]],
      [["시장"], [3]],
      [["สถานี"], [4]],
      [["👍"], [5]],
      [["🎉"], [5]],
      [["🇩🇪", "fin"], [5]],
      [["hello", "café"], [6]],
      [["ello"], []],
    ] as [string[], number[]][])
      expect(which(...words), words.join(" ")).to.deep.equal(expected);
    storage.history.expire(3);
    expect(which("東京")).to.deep.equal([]);
  });

  it("loses the oldest to the newest when its file is full, and takes nothing from contacts", async () => {
    open();
    const text = (n: number) => `${n} ${`w${n}x `.repeat(2000)}`;
    for (let n = 0; n < 900; n++) {
      expect(await add(aorOf(`user${n}`), n, text(n)), String(n)).to.equal(undefined);
      if (n === 100) expect(storage.history.isFull).to.equal(false);
    }
    expect(storage.history.isFull).to.equal(true);
    const there = Array.from({ length: 900 }, (_, n) => n).filter((n) => found(aorOf(`user${n}`)).length === 1);
    expect(there, "the newest, without a gap").to.deep.equal(
      Array.from({ length: there.length }, (_, n) => 900 - there.length + n),
    );
    expect(there.length).to.be.greaterThan(100);
    const { bytes, bytesMax, oldestMs } = storage.history.size();
    expect(oldestMs).to.equal(there[0]);
    expect(bytes).to.be.within(bytesMax / 2, bytesMax);
    expect(statSync(file()).size).to.be.at.most(8 * MIB);
    register("alice");
    expect(storage.problem()).to.equal(undefined);
  });

  it("makes room by its oldest where it is opened with a smaller limit than before, and goes on", async () => {
    open(16 * MIB);
    const text = (n: number) => `${n} ${`w${n}x `.repeat(2000)}`;
    for (let n = 0; n < 600; n++) await add(aorOf(`user${n}`), n, text(n));
    storage.close();
    open(4 * MIB);
    while (storage.history.expire(0)) expect(storage.history.isFull).to.equal(true);
    const { bytes, bytesMax, oldestMs = 0 } = storage.history.size();
    expect(bytesMax).to.equal(4 * MIB);
    expect(bytes).to.be.within(bytesMax / 2, bytesMax);
    expect(oldestMs).to.be.within(1, 550);
    expect(await add(aorOf("alice"), 600, "there is room")).to.equal(undefined);
    expect(found(aorOf("alice"), "room")).to.have.length(1);
  });

  it("gives who has more than a share of it room at their own cost, and nobody else's", async () => {
    open();
    for (let n = 0; n < 20; n++) await add(aorOf("bob"), n, `short ${n}`);
    for (let n = 0; n < 1500; n++) {
      expect(await add(aorOf("mallory"), 100 + n, `${n} ${"flood ".repeat(n % 2 === 0 ? 3000 : 3)}`)).to.equal(
        undefined,
      );
    }
    expect(found(aorOf("bob"))).to.have.length(20);
    expect(found(aorOf("bob"), "short")).to.have.length(20);
    const left = found(aorOf("mallory"));
    expect(left[0]).to.match(/^1499 /);
    const taken = left.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    expect(taken).to.be.within(1, (8 * MIB) / limits.history.userPart);
  });

  it("removes what is too old step by step", async () => {
    open();
    for (let n = 0; n < 100; n++) await add(aorOf("alice"), n, `t${n}`);
    expect(storage.history.expire(90)).to.equal(true);
    expect(found(aorOf("alice"))).to.have.length(100 - limits.history.removedAtOnce);
    expect(storage.history.expire(90)).to.equal(false);
    expect(found(aorOf("alice"))).to.have.length(10);
  });

  it("is missed by nobody else when its file is damaged, says so, and begins anew when that is moved away", async () => {
    writeFileSync(file(), "no database at all ".repeat(1000));
    open();
    register("alice");
    const error = await add(aorOf("alice"), 1, "lost");
    expect(error).to.include({ code: "DATABASE_DAMAGED", family: "operational" });
    expect(error?.message).to.contain("move it away");
    expect(() => found(aorOf("alice")))
      .to.throw(AortaError)
      .with.property("code", "DATABASE_DAMAGED");
    expect(storage.history.isOpen).to.equal(false);
    expect([...storage.contacts.list()]).to.have.length(1);
    unlinkSync(file());
    storage.history.expire(0);
    expect(await add(aorOf("alice"), 1, "kept")).to.equal(undefined);
    expect(found(aorOf("alice"))).to.deep.equal(["kept"]);
  });

  it("ends nothing when any page of its file is overwritten, and keeps no file open that it cannot use", async () => {
    open();
    for (let n = 0; n < 20; n++) await add(aorOf("alice"), n, `word${n} `.repeat(100));
    storage.close();
    const whole = readFileSync(file());
    const reader = new DatabaseSync(file(), { readOnly: true });
    const { page_size: pageBytes } = reader.prepare("PRAGMA page_size").get() as { page_size: number };
    const config = reader.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'history_words_config'").get();
    reader.close();
    const overwrite = (page: number) =>
      writeFileSync(file(), Buffer.from(whole).fill(0xa5, (page - 1) * pageBytes, page * pageBytes));
    const onlyFailsAsStorage = (work: () => unknown) => {
      try {
        work();
      } catch (error) {
        expect(error).to.be.instanceOf(AortaError);
      }
    };
    for (let page = 1; page <= whole.length / pageBytes; page++) {
      overwrite(page);
      open();
      for (const work of [
        () => storage.history.size(),
        () => found(aorOf("alice"), "word1"),
        () => storage.history.expire(10),
        () => storage.history.takeOver(),
      ])
        onlyFailsAsStorage(work);
      const error = await add(aorOf("alice"), 100, "more");
      if (error !== undefined) expect(error).to.be.instanceOf(AortaError);
      storage.close();
    }

    overwrite(config?.["rootpage"] as number);
    open();
    const descriptors = () => readdirSync("/dev/fd").length;
    const before = descriptors();
    for (let n = 0; n < 3; n++) {
      onlyFailsAsStorage(() => storage.history.expire(0));
      expect(await add(aorOf("alice"), 100, "lost")).to.have.property("code", "DATABASE_DAMAGED");
    }
    expect(storage.history.isOpen).to.equal(false);
    expect(descriptors()).to.be.at.most(before);
  });

  describe("by an earlier release, among the contacts", () => {
    const COUNT = 250;

    /** A data folder of the release before. */
    function makeOld(): void {
      const old = new DatabaseSync(join(folder, "aorta.db"));
      old.exec("PRAGMA journal_mode = WAL");
      for (const step of migrations.slice(0, 4)) old.exec(step);
      old.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 4; BEGIN`);
      const put = old.prepare("INSERT INTO history VALUES (?, 'sip:alice@example.com', 'sip:b@c', 1, ?, 'c', ?)");
      for (let n = 0; n < COUNT; n++) put.run(n + 1, 1000 + n, `old ${n}`);
      old.exec("COMMIT");
      old.close();
    }
    const tables = () => {
      const main = new DatabaseSync(join(folder, "aorta.db"), { readOnly: true });
      const rows = main.prepare("SELECT name FROM sqlite_schema").all();
      main.close();
      return rows.map(({ name }) => name);
    };
    const all = Array.from({ length: COUNT }, (_, n) => `old ${n}`).toReversed();

    it("is moved, the newest first, and takes no more room there", async () => {
      makeOld();
      open();
      expect(storage.history.isTakingOver()).to.equal(true);
      expect(storage.history.takeOver()).to.equal(true);
      expect(found(aorOf("alice"), "old")).to.deep.equal(all.slice(0, limits.history.movedAtOnce));
      await add(aorOf("alice"), 2000, "new");
      let steps = 1;
      while (storage.history.takeOver()) steps++;
      expect(steps).to.equal(Math.ceil(COUNT / limits.history.movedAtOnce));
      expect(storage.history.isTakingOver()).to.equal(false);
      expect(found(aorOf("alice"))).to.deep.equal(["new", ...all]);
      expect(tables(), "until the next start").to.include("old_history");
      storage.close();
      open();
      expect(tables()).to.not.include("old_history");
      expect(storage.history.isTakingOver()).to.equal(false);
      expect(storage.history.takeOver()).to.equal(false);
      expect(found(aorOf("alice"))).to.deep.equal(["new", ...all]);
    });

    it("is there once when the process or the power ends between the writing here and the removal there", () => {
      makeOld();
      open().history.takeOver();
      const main = join(folder, "aorta.db");
      storage.close();
      copyFileSync(main, `${main}.before`);
      open().history.takeOver();
      storage.close();
      copyFileSync(`${main}.before`, main);
      expect(existsSync(`${main}-wal`), "closed in order").to.equal(false);
      open();
      while (storage.history.takeOver());
      expect(found(aorOf("alice"))).to.deep.equal(all);
    });
  });
});
