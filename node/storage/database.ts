import { existsSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";
import { DatabaseSync } from "node:sqlite";
import type { AortaError } from "../runtime/errors.ts";
import { limits } from "../runtime/limits.ts";
import { syncFolder, touchPrivate } from "./folder.ts";
import { GroupCommit } from "./group-commit.ts";
import type { WriteGroup } from "./ports.ts";
import { migrate } from "./schema.ts";
import { damaged, mapErrors, storageError } from "./storage-error.ts";
import type { StorageProblem } from "./storage-problem.ts";

/** Takes new pages, and leaves nothing. */
const TRIAL = `
  CREATE TABLE trial (octets BLOB);
  INSERT INTO trial VALUES (zeroblob(8192));
  DROP TABLE trial;
`;

/** A row as SQLite gives it. */
export type Row = Record<string, SQLOutputValue>;

/** A statement whose failures are errors of ours. */
export interface Statement {
  get(...values: SQLInputValue[]): Row | undefined;
  all(...values: SQLInputValue[]): Row[];
  /** One row after the other, for what may be more than memory holds. Rows that were given may be changed and removed meanwhile. */
  each(...values: SQLInputValue[]): Iterable<Row>;
  /** Returns how many rows changed. Safe from a crash of the process when the turn of the event loop ends, with all that was written in it. */
  run(...values: SQLInputValue[]): number;
}

/** What the stores need of SQLite. */
export interface Database {
  prepare(sql: string): Statement;
  /** Runs writes as one and returns when they are on disk; others are on disk some moments later, in order. */
  durably<Result>(write: () => Result): Result;
  readonly group: WriteGroup;
  /** Set while writes fail. */
  problem(): StorageProblem | undefined;
  /** What is in use and how much may be, octets. A file that is larger than that already does not shrink, but may be used no further. */
  size(): { readonly bytes: number; readonly bytesMax: number };
  close(): void;
}

export interface DatabaseOptions {
  /** @default that of a node */
  readonly schema?: readonly string[];
  /** A write beyond fails with `DISK_FULL`. */
  readonly bytesMax: number;
  /** Whether all of it is read before it is opened: not where a whole answer matters less than a quick start. @default true */
  readonly isChecked?: boolean;
  /** Told after each write that reaches the disk, or should have, why it failed; what is refused says to its sender only that it was. */
  readonly onProblem?: (problem: StorageProblem | undefined) => void;
}

/** A database in memory, for tests and for a node that is to forget. */
export function openMemoryDatabase(options: DatabaseOptions): Database {
  const database = new DatabaseSync(":memory:");
  migrate(database, ":memory:", options.schema);
  bound(database, options.bytesMax);
  return wrap(database, ":memory:", options);
}

/**
 * Opens the database in `file`, or makes it. The folder must be locked.
 * A damaged one is refused before anything is opened for writing, so not a byte of it changes.
 * @throws {OperationalError} `DATABASE_DAMAGED`, `DISK_FULL`, `STORAGE_FAILED`
 * @throws {ConfigurationError} `DATABASE_NEWER`, `DATABASE_FOREIGN`, `DATA_UNUSABLE`
 */
export function openDatabase(file: string, options: DatabaseOptions): Database {
  const { schema, bytesMax, isChecked = true } = options;
  return mapErrors(file, () => {
    if (!existsSync(file)) createApart(file, schema);
    else if (isChecked) checkIntegrity(file);
    const database = openForWriting(file);
    try {
      migrate(database, file, schema);
      bound(database, bytesMax);
      return wrap(database, file, options);
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

/**
 * Makes a new database under another name and renames it when it is whole. So an empty file under the final name
 * is damage and never a beginning, and a log left from a lost database is never replayed into a new one.
 */
function createApart(file: string, schema: readonly string[] | undefined): void {
  if (existsSync(`${file}-wal`)) throw damaged(file, "it is missing, but its log is there");
  const apart = `${file}.new`;
  for (const leftover of [apart, `${apart}-wal`, `${apart}-shm`]) rmSync(leftover, { force: true });
  touchPrivate(apart);
  const database = openForWriting(apart);
  try {
    database.exec("PRAGMA synchronous = FULL");
    migrate(database, file, schema);
  } finally {
    database.close();
  }
  renameSync(apart, file);
  syncFolder(dirname(file));
}

function openForWriting(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: limits.storage.busyMs });
  try {
    // In WAL mode NORMAL loses the last moments at a power cut, never consistency.
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

function bound(database: DatabaseSync, bytesMax: number): void {
  const read = <Name extends string>(name: Name) =>
    (database.prepare(`PRAGMA ${name}`).get() as Record<Name, number>)[name];
  const [pages, pagesMax] = [read("page_count"), Math.ceil(bytesMax / read("page_size"))];
  // A file from the time of a larger limit needs some room to remove things in.
  database.exec(`PRAGMA max_page_count = ${pages <= pagesMax ? pagesMax : Math.ceil(pages * 1.25)}`);
}

function checkIntegrity(file: string): void {
  if (statSync(file).size === 0) throw damaged(file, "it is empty");
  const database = new DatabaseSync(file, { readOnly: true, timeout: limits.storage.busyMs });
  try {
    const { integrity_check: first } = database.prepare("PRAGMA integrity_check(1)").get() as {
      integrity_check: string;
    };
    if (first !== "ok") throw damaged(file, first.replace(/\s+/g, " "));
  } finally {
    database.close();
  }
}

function wrap(database: DatabaseSync, file: string, { bytesMax, onProblem }: DatabaseOptions): Database {
  let problem: StorageProblem | undefined;
  let isDurable = false;
  const total = database.prepare("SELECT total_changes() AS rows");
  const changedRows = () => (total.get() as { rows: number }).rows;
  let toldAtRows = changedRows();
  const turn = (to: StorageProblem | undefined): void => {
    toldAtRows = changedRows();
    // Who holds the database may do so for minutes: the node waits for them once, not in every turn of the event loop.
    if ((to === undefined) !== (problem === undefined))
      database.exec(`PRAGMA busy_timeout = ${to === undefined ? limits.storage.busyMs : 0}`);
    problem = to;
    onProblem?.(to);
  };
  const note = ({ code, message }: AortaError): void => turn({ code, message });
  /** A commit that had nothing to write succeeds on a full disk, too. */
  const committed = (): void => {
    if (changedRows() !== toldAtRows) turn(undefined);
  };
  const group = new GroupCommit(database, (error) => {
    if (error === undefined) committed();
    else note(storageError(file, error));
  });
  const write = (work: () => number): number => {
    try {
      return isDurable ? work() : group.write(work);
    } catch (cause) {
      const error = storageError(file, cause);
      note(error);
      throw error;
    }
  };
  const execute = (sql: string) =>
    write(() => {
      database.exec(sql);
      return 0;
    });
  const read = <Name extends string>(name: Name) => {
    const statement = database.prepare(`PRAGMA ${name}`);
    return () => (statement.get() as Record<Name, number>)[name];
  };
  const [pages, freePages] = [read("page_count"), read("freelist_count")];
  const pageBytes = read("page_size")();
  const durably = <Result>(work: () => Result): Result => {
    // What is older is not to be on disk later; nor can the level be changed within a transaction.
    group.commit();
    database.exec("PRAGMA synchronous = FULL");
    isDurable = true;
    try {
      execute("BEGIN IMMEDIATE");
      const result = work();
      execute("COMMIT");
      committed();
      return result;
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    } finally {
      isDurable = false;
      database.exec("PRAGMA synchronous = NORMAL");
    }
  };
  const isWritable = (): boolean => {
    if (problem === undefined) return true;
    try {
      durably(() => database.exec(TRIAL));
      return true;
    } catch {
      return false;
    }
  };
  return {
    problem: () => problem,
    size: () => mapErrors(file, () => ({ bytes: (pages() - freePages()) * pageBytes, bytesMax })),
    prepare(sql) {
      const statement = mapErrors(file, () => database.prepare(sql));
      return {
        get: (...values) => mapErrors(file, () => statement.get(...values)),
        all: (...values) => mapErrors(file, () => statement.all(...values)),
        each: (...values) => eachRow(statement, values, file),
        run: (...values) => write(() => Number(statement.run(...values).changes)),
      };
    },
    durably,
    group: { join: (member) => group.join(member), isWritable },
    close() {
      group.commit();
      if (database.isOpen) database.close();
    },
  };
}

function* eachRow(statement: StatementSync, values: SQLInputValue[], file: string): Iterable<Row> {
  const rows = mapErrors(file, () => statement.iterate(...values));
  for (;;) {
    const next = mapErrors(file, () => rows.next());
    if (next.done === true) return;
    yield next.value as Row;
  }
}
