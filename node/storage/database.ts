import { existsSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { SQLInputValue, SQLOutputValue } from "node:sqlite";
import { DatabaseSync } from "node:sqlite";
import type { AortaError } from "../runtime/errors.ts";
import { limits } from "../runtime/limits.ts";
import { syncFolder, touchPrivate } from "./folder.ts";
import { GroupCommit } from "./group-commit.ts";
import type { WriteGroup } from "./ports.ts";
import { migrate } from "./schema.ts";
import { damaged, mapErrors, storageError } from "./storage-error.ts";
import type { StorageProblem } from "./storage-problem.ts";

/** A row as SQLite gives it. */
export type Row = Record<string, SQLOutputValue>;

/** A statement whose failures are errors of ours. */
export interface Statement {
  get(...values: SQLInputValue[]): Row | undefined;
  all(...values: SQLInputValue[]): Row[];
  /** Returns how many rows changed. Safe from a crash of the process when the turn of the event loop ends, with all that was written in it. */
  run(...values: SQLInputValue[]): number;
}

/** What the stores need of SQLite. */
export interface Database {
  prepare(sql: string): Statement;
  /** Runs one write and returns when it is on disk; others are on disk some moments later, in order. */
  durably<Result>(write: () => Result): Result;
  readonly group: WriteGroup;
  /** Set while writes fail. */
  problem(): StorageProblem | undefined;
  close(): void;
}

/** A database in memory, for tests and for a node that is to forget. */
export function openMemoryDatabase(): Database {
  const database = new DatabaseSync(":memory:");
  migrate(database, ":memory:");
  return wrap(database, ":memory:");
}

/**
 * Opens the database in `file`, or makes it. The folder must be locked.
 * A damaged one is refused before anything is opened for writing, so not a byte of it changes.
 * @throws {OperationalError} `DATABASE_DAMAGED`, `DISK_FULL`, `STORAGE_FAILED`
 * @throws {ConfigurationError} `DATABASE_NEWER`, `DATABASE_FOREIGN`, `DATA_UNUSABLE`
 */
export function openDatabase(file: string, bytesMax: number = limits.storage.databaseBytes): Database {
  return mapErrors(file, () => {
    if (existsSync(file)) checkIntegrity(file);
    else createApart(file);
    const database = openForWriting(file);
    try {
      migrate(database, file);
      const { page_size: pageBytes } = database.prepare("PRAGMA page_size").get() as { page_size: number };
      database.exec(`PRAGMA max_page_count = ${Math.ceil(bytesMax / pageBytes)}`);
    } catch (error) {
      database.close();
      throw error;
    }
    return wrap(database, file);
  });
}

/**
 * Makes a new database under another name and renames it when it is whole. So an empty file under the final name
 * is damage and never a beginning, and a log left from a lost database is never replayed into a new one.
 */
function createApart(file: string): void {
  if (existsSync(`${file}-wal`)) throw damaged(file, "it is missing, but its log is there");
  const apart = `${file}.new`;
  for (const leftover of [apart, `${apart}-wal`, `${apart}-shm`]) rmSync(leftover, { force: true });
  touchPrivate(apart);
  const database = openForWriting(apart);
  try {
    database.exec("PRAGMA synchronous = FULL");
    migrate(database, file);
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

function wrap(database: DatabaseSync, file: string): Database {
  let problem: StorageProblem | undefined;
  let isDurable = false;
  const note = (error: AortaError): void => void (problem = { code: error.code, message: error.message });
  const group = new GroupCommit(database, (error) => {
    if (error === undefined) problem = undefined;
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
  return {
    problem: () => problem,
    prepare(sql) {
      const statement = database.prepare(sql);
      return {
        get: (...values) => mapErrors(file, () => statement.get(...values)),
        all: (...values) => mapErrors(file, () => statement.all(...values)),
        run: (...values) => write(() => Number(statement.run(...values).changes)),
      };
    },
    durably(work) {
      // What is older is not to be on disk later; nor can the level be changed within a transaction.
      group.commit();
      database.exec("PRAGMA synchronous = FULL");
      isDurable = true;
      try {
        const result = work();
        problem = undefined;
        return result;
      } finally {
        isDurable = false;
        database.exec("PRAGMA synchronous = NORMAL");
      }
    },
    group,
    close() {
      group.commit();
      if (database.isOpen) database.close();
    },
  };
}
