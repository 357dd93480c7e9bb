import { expect } from "chai";
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { parseAor } from "../../../dht-schema/aor.ts";
import type { Logger } from "../../../node/runtime/logger.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import type { StorageOptions } from "../../../node/storage/storage.ts";
import { openStorage } from "../../../node/storage/storage.ts";
import { settle } from "../../helpers/virtual-time.ts";
import { useFolders } from "./folders.ts";

const options: StorageOptions = { logger: silentLogger };

describe("a data folder", () => {
  const newFolder = useFolders();
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });

  /** A process that holds `folder` and has written `settings` settings. */
  async function holder(folder: string, settings: number): Promise<ChildProcess> {
    const script = fileURLToPath(new URL("./fixtures/holder.js", import.meta.url));
    const child = spawn(process.execPath, [script, folder, String(settings)], { stdio: ["ignore", "pipe", "inherit"] });
    children.push(child);
    await once(child.stdout, "data");
    return child;
  }

  /** A closed folder with 200 settings in it, and the name of its database. */
  function filled(): { folder: string; file: string } {
    const folder = newFolder();
    const storage = openStorage(folder, options);
    for (let n = 0; n < 200; n++) storage.settings.set(`setting-${n}`, new Uint8Array(500).fill(n));
    storage.close();
    return { folder, file: join(folder, "aorta.db") };
  }

  it("is made when it is missing, readable by its owner alone", () => {
    const folder = join(newFolder(), "deep", "data");
    openStorage(folder, options).close();
    expect(statSync(folder).mode & 0o777).to.equal(0o700);
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777, name).to.equal(0o600);
  });

  it("keeps what was written when it is closed and opened again", () => {
    const { folder } = filled();
    const storage = openStorage(folder, options);
    expect([...(storage.settings.get("setting-7") as Uint8Array)]).to.deep.equal(Array.from({ length: 500 }, () => 7));
    storage.close();
  });

  it("is refused where a file stands in its place", () => {
    const file = join(newFolder(), "data");
    writeFileSync(file, "");
    expect(() => openStorage(file, options))
      .to.throw("a file stands in its place")
      .with.property("code", "DATA_UNUSABLE");
  });

  it("is refused where a file stands in its way, or the system makes no folders", () => {
    const file = join(newFolder(), "file");
    writeFileSync(file, "");
    expect(() => openStorage(join(file, "deep", "data"), options))
      .to.throw("a file stands in its place")
      .with.property("code", "DATA_UNUSABLE");
    expect(() => openStorage("/proc/aorta/data", options))
      .to.throw()
      .with.property("code", "DATA_UNUSABLE");
  });

  it("has one opener at a time, in one process as well", () => {
    const folder = newFolder();
    const first = openStorage(folder, options);
    expect(() => openStorage(folder, options))
      .to.throw(folder)
      .with.property("code", "DATA_IN_USE");
    first.close();
    openStorage(folder, options).close();
  });

  it("is refused while another process holds it, and keeps every acknowledged setting when that one is killed", async () => {
    const folder = newFolder();
    const child = await holder(folder, 50);
    expect(() => openStorage(folder, options))
      .to.throw(`data folder ${folder} is in use`)
      .with.property("family", "operational");
    child.kill("SIGKILL");
    await once(child, "exit");
    const storage = openStorage(folder, options);
    for (let n = 0; n < 50; n++) {
      expect(Buffer.from(storage.settings.get(`setting-${n}`) ?? []).toString()).to.equal(`value-${n}`);
    }
    storage.close();
  });

  it("stays locked when nothing refers to its storage any more, until the process ends", async () => {
    const folder = newFolder();
    const script = `
      const { openStorage } = await import(${JSON.stringify(new URL("../../../node/storage/storage.js", import.meta.url).href)});
      const { silentLogger } = await import(${JSON.stringify(new URL("../../../node/runtime/logger.js", import.meta.url).href)});
      (() => void openStorage(${JSON.stringify(folder)}, { logger: silentLogger }))();
      await new Promise(setImmediate);
      gc();
      process.stdout.write("collected\\n");
      setInterval(() => {}, 60_000);`;
    const child = spawn(process.execPath, ["--expose-gc", "--input-type=module", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(child);
    await once(child.stdout, "data");
    expect(() => openStorage(folder, options))
      .to.throw()
      .with.property("code", "DATA_IN_USE");
  });

  it("keeps what was written in the turn in which it is closed, and before a setting", () => {
    const folder = newFolder();
    const storage = openStorage(folder, options);
    const list = () => {
      const database = new DatabaseSync(join(folder, "aorta.db"), { readOnly: true });
      const rows = database.prepare("SELECT call_id FROM shed_registration ORDER BY call_id").all();
      database.close();
      return rows.map((row) => row["call_id"]);
    };
    const shed = (callId: string) => storage.shed.put({ aor: parseAor("sip:a@example.com"), callId, expiresAtMs: 1 });
    shed("1");
    storage.settings.set("name", Uint8Array.of(1));
    expect(list()).to.deep.equal(["1"]);
    shed("2");
    storage.close();
    expect(list()).to.deep.equal(["1", "2"]);
  });

  it("can be closed twice", () => {
    const storage = openStorage(newFolder(), options);
    storage.close();
    storage.close();
  });

  it("starts over when its making was cut short", () => {
    const folder = newFolder();
    writeFileSync(join(folder, "aorta.db.new"), "half a data");
    openStorage(folder, options).close();
    expect(existsSync(join(folder, "aorta.db.new"))).to.equal(false);
  });

  describe("with a damaged database", () => {
    const damages: Record<string, (file: string) => void> = {
      "random bytes": (file) =>
        writeFileSync(file, "this is no database, but it is long enough to be taken for one".repeat(100)),
      "a broken page in the middle": (file) => {
        const bytes = readFileSync(file);
        bytes.fill(0xa5, 8192, 12_288);
        writeFileSync(file, bytes);
      },
      "its second half cut off": (file) => truncateSync(file, 4096 * 4),
      "everything cut off": (file) => truncateSync(file, 0),
    };
    for (const [what, damage] of Object.entries(damages)) {
      it(`is refused and not changed by a byte: ${what}`, () => {
        const { folder, file } = filled();
        damage(file);
        const before = readFileSync(file);
        expect(() => openStorage(folder, options))
          .to.throw(`${file} is damaged`)
          .with.property("code", "DATABASE_DAMAGED");
        expect(readFileSync(file).equals(before)).to.equal(true);
        // The refusal does not keep the folder locked.
        expect(() => openStorage(folder, options))
          .to.throw()
          .with.property("code", "DATABASE_DAMAGED");
      });
    }

    it("is refused when only the log of a lost database is there, and the log stays", async () => {
      const folder = newFolder();
      const child = await holder(folder, 5);
      child.kill("SIGKILL");
      await once(child, "exit");
      const file = join(folder, "aorta.db");
      const log = readFileSync(`${file}-wal`);
      expect(log.length).to.be.greaterThan(0);
      unlinkSync(file);
      expect(() => openStorage(folder, options))
        .to.throw("its log is there")
        .with.property("code", "DATABASE_DAMAGED");
      expect(readFileSync(`${file}-wal`).equals(log)).to.equal(true);
    });

    it("opens again once a backup is put back", () => {
      const { folder, file } = filled();
      copyFileSync(file, `${file}.backup`);
      truncateSync(file, 100);
      expect(() => openStorage(folder, options)).to.throw();
      copyFileSync(`${file}.backup`, file);
      const storage = openStorage(folder, options);
      expect(storage.settings.get("setting-199")).to.have.length(500);
      storage.close();
    });
  });

  it("refuses the database of another program", () => {
    const folder = newFolder();
    const foreign = new DatabaseSync(join(folder, "aorta.db"));
    foreign.exec("CREATE TABLE recipe (name TEXT); INSERT INTO recipe VALUES ('soup')");
    foreign.close();
    expect(() => openStorage(folder, options))
      .to.throw("another program")
      .with.property("code", "DATABASE_FOREIGN");
  });

  it("refuses a write when there is no room, says so, and keeps what it had", () => {
    const folder = newFolder();
    const storage = openStorage(folder, { ...options, databaseBytesMax: 200_000 });
    storage.settings.set("small", Uint8Array.of(1));
    expect(() => storage.settings.set("large", new Uint8Array(400_000)))
      .to.throw("no room left")
      .with.property("code", "DISK_FULL");
    expect(storage.settings.get("small")).to.deep.equal(Uint8Array.of(1));
    storage.settings.set("small", Uint8Array.of(2));
    storage.close();
    const again = openStorage(folder, options);
    expect(again.settings.get("small")).to.deep.equal(Uint8Array.of(2));
    expect(again.settings.get("large")).to.equal(undefined);
    again.close();
  });

  it("tries, once a write has failed, whether there is room for others", () => {
    const storage = openStorage(newFolder(), { ...options, databaseBytesMax: 200_000 });
    expect(storage.group.isWritable()).to.equal(true);
    let count = 0;
    expect(() => {
      for (;;) storage.settings.set(`setting-${count++}`, new Uint8Array(3000));
    }).to.throw("no room left");
    expect(storage.group.isWritable()).to.equal(false);
    expect(storage.problem()).to.have.property("code", "DISK_FULL");
    storage.settings.delete("none such");
    expect(storage.problem(), "nothing was written").to.have.property("code", "DISK_FULL");
    for (let n = 0; n < 10; n++) storage.settings.delete(`setting-${n}`);
    expect(() => storage.settings.set("large", new Uint8Array(400_000))).to.throw("no room left");
    expect(storage.group.isWritable()).to.equal(true);
    expect(storage.problem()).to.equal(undefined);
    storage.close();
  });

  it("tells operators once when writes begin to fail, and when they succeed again", () => {
    const lines: unknown[] = [];
    const note = ({ code }: { code?: unknown }, text: string) => void lines.push([code, text.replace(/:.*/, "")]);
    const logger: Logger = { ...silentLogger, info: note, error: note, child: () => logger };
    const storage = openStorage(newFolder(), { logger, databaseBytesMax: 200_000 });
    for (let n = 0; n < 3; n++) expect(() => storage.settings.set("large", new Uint8Array(400_000))).to.throw();
    for (let n = 0; n < 3; n++) storage.settings.set("small", Uint8Array.of(n));
    storage.close();
    expect(lines).to.deep.equal([
      ["DISK_FULL", "the database cannot be written, and what has to be kept is refused"],
      [undefined, "the database is written again"],
    ]);
  });

  it("waits once for another program that holds its database, and not at every write", async () => {
    const folder = newFolder();
    const storage = openStorage(folder, options);
    const held = `
      const database = new (require("node:sqlite").DatabaseSync)(process.argv[1]);
      database.exec("BEGIN IMMEDIATE");
      console.log("held");
      setTimeout(() => {}, 3000);
    `;
    const child = spawn(process.execPath, ["-e", held, join(folder, "aorta.db")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(child);
    await once(child.stdout, "data");
    let refused = 0;
    for (let isWritten = false; !isWritten; await settle()) {
      try {
        storage.messages.delivered("name", 1);
        isWritten = true;
      } catch {
        refused++;
      }
    }
    expect(refused).to.be.greaterThan(50);
    expect(storage.problem()).to.equal(undefined);
    storage.close();
  });

  it("tells of damage that shows only while it runs", () => {
    const { folder, file } = filled();
    const storage = openStorage(folder, options);
    const bytes = readFileSync(file);
    bytes.fill(0xa5, 4096);
    writeFileSync(file, bytes);
    expect(() => {
      for (let n = 0; n < 200; n++) storage.settings.get(`setting-${n}`);
    })
      .to.throw(file)
      .with.property("code", "DATABASE_DAMAGED");
    storage.close();
  });
});
