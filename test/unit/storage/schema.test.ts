import { expect } from "chai";
import { DatabaseSync } from "node:sqlite";
import { APPLICATION_ID, migrate, migrations } from "../../../node/storage/schema.ts";

const steps = ["CREATE TABLE fruit (name TEXT) STRICT", "ALTER TABLE fruit ADD COLUMN colour TEXT DEFAULT 'green'"];

describe("the schema", () => {
  let database: DatabaseSync;
  beforeEach(() => {
    database = new DatabaseSync(":memory:");
  });
  afterEach(() => database.close());

  const version = () => (database.prepare("PRAGMA user_version").get() as { user_version: number }).user_version;

  it("is brought to the newest version step by step, and marked as ours", () => {
    expect(migrate(database, "file", steps)).to.equal(2);
    expect(version()).to.equal(2);
    expect(database.prepare("PRAGMA application_id").get()).to.include({ application_id: APPLICATION_ID });
  });

  it("keeps the data of an older version", () => {
    migrate(database, "file", steps.slice(0, 1));
    database.exec("INSERT INTO fruit VALUES ('pear')");
    expect(migrate(database, "file", steps)).to.equal(1);
    expect({ ...database.prepare("SELECT * FROM fruit").get() }).to.deep.equal({ name: "pear", colour: "green" });
  });

  it("keeps the contacts of an older version", () => {
    migrate(database, "file", migrations.slice(0, 7));
    database.exec("INSERT INTO contact VALUES ('sip:a@b', 'sip:a@1', '{}', 'call', 2, 9, 1000, 'phone', 'i', '1.2.3')");
    migrate(database, "file");
    const values = ["sip:a@b", "sip:a@1", "", "{}", "call", 2, 9, 1000, "phone", "i", "1.2.3"];
    expect(Object.values({ ...database.prepare("SELECT * FROM contact").get() })).to.deep.equal(values);
  });

  it("is left alone when it is the newest", () => {
    migrate(database, "file");
    expect(migrate(database, "file")).to.equal(0);
    expect(version()).to.equal(migrations.length);
  });

  it("is refused when a later release wrote it", () => {
    migrate(database, "/data/aorta.db", steps);
    expect(() => migrate(database, "/data/aorta.db", steps.slice(0, 1)))
      .to.throw("/data/aorta.db was written by a later release of Aorta (schema 2, this release knows 1)")
      .with.property("code", "DATABASE_NEWER");
  });

  it("stays at the last whole step when a step fails", () => {
    const broken = [...steps.slice(0, 1), "CREATE TABLE half (a TEXT); CREATE TABLE fruit (again TEXT)"];
    expect(() => migrate(database, "file", broken)).to.throw("already exists");
    expect(version()).to.equal(1);
    expect(database.prepare("SELECT name FROM sqlite_schema WHERE name = 'half'").get()).to.equal(undefined);
    expect(migrate(database, "file", steps)).to.equal(1);
  });
});
