import { expect } from "chai";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { GroupCommit } from "../../../node/storage/group-commit.ts";
import { useFolders } from "./folders.ts";

describe("what one turn of the event loop writes", () => {
  const newFolder = useFolders();
  let file: string;
  let database: DatabaseSync;
  let group: GroupCommit;
  let errors: unknown[];
  beforeEach(() => {
    file = join(newFolder(), "group.db");
    database = new DatabaseSync(file);
    database.exec("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; CREATE TABLE word (text TEXT PRIMARY KEY)");
    errors = [];
    group = new GroupCommit(database, (error) => void (error !== undefined && errors.push(error)));
  });
  afterEach(() => database.isOpen && database.close());

  const write = (text: string) => group.write(() => database.prepare("INSERT INTO word VALUES (?)").run(text));
  const words = (seen: DatabaseSync) =>
    seen
      .prepare("SELECT text FROM word ORDER BY text")
      .all()
      .map(({ text }) => text);
  /** As another process sees it, and the next run of this one. */
  const kept = () => {
    const other = new DatabaseSync(file, { readOnly: true });
    try {
      return words(other);
    } finally {
      other.close();
    }
  };
  const done = (write?: () => void) =>
    new Promise<{ isKept: boolean; kept: unknown[] }>((resolve) => {
      group.join({ ...(write === undefined ? {} : { write }), done: (isKept) => resolve({ isKept, kept: kept() }) });
    });

  it("is seen at once, and kept when the turn is over, all of it together", async () => {
    const first = done();
    write("a");
    const second = done(() => write("c"));
    write("b");
    expect(words(database)).to.deep.equal(["a", "b"]);
    expect(kept()).to.deep.equal([]);
    const all = { isKept: true, kept: ["a", "b", "c"] };
    expect(await Promise.all([first, second])).to.deep.equal([all, all]);
  });

  it("is not what the next turn writes", async () => {
    write("a");
    await done();
    write("b");
    expect(kept()).to.deep.equal(["a"]);
    expect(await done()).to.deep.equal({ isKept: true, kept: ["a", "b"] });
  });

  it("can be kept sooner", () => {
    write("a");
    group.commit();
    expect(kept()).to.deep.equal(["a"]);
  });

  it("is told to be lost when the commit fails, and the next turn is not", async () => {
    database.exec("CREATE TABLE use (text REFERENCES word (text) DEFERRABLE INITIALLY DEFERRED)");
    write("a");
    group.write(() => database.exec("INSERT INTO use VALUES ('nothing')"));
    expect(await done()).to.deep.equal({ isKept: false, kept: [] });
    expect(errors).to.have.length(1);
    write("b");
    expect(await done()).to.deep.equal({ isKept: true, kept: ["b"] });
  });

  it("is told to be lost when a full disk takes it back with the write that found no room", async () => {
    database.exec("PRAGMA max_page_count = 6");
    const before = done(() => write("a"));
    const large = done(() => expect(() => write("x".repeat(100_000))).to.throw("full"));
    expect(await Promise.all([before, large])).to.deep.equal([
      { isKept: false, kept: [] },
      { isKept: false, kept: [] },
    ]);
  });

  it("is told to be lost when a statement takes it back that reads what it changes", async () => {
    const takeBack = database.prepare("INSERT OR ROLLBACK INTO word VALUES ('a') RETURNING text");
    write("a");
    expect(() => takeBack.all()).to.throw("UNIQUE");
    expect(await done()).to.deep.equal({ isKept: false, kept: [] });
    write("a");
    expect(() => takeBack.all()).to.throw("UNIQUE");
    write("b");
    expect(await done()).to.deep.equal({ isKept: false, kept: ["b"] });
    write("c");
    expect(await done()).to.deep.equal({ isKept: true, kept: ["b", "c"] });
  });

  it("is not lost by a write that fails alone", async () => {
    write("a");
    expect(() => write("a")).to.throw("UNIQUE");
    expect(await done()).to.deep.equal({ isKept: true, kept: ["a"] });
  });
});
