import { closeSync, fsyncSync, mkdirSync, openSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { dirname, join } from "node:path";
import { ConfigurationError, OperationalError } from "../runtime/errors.ts";
import { isBusy, mapErrors } from "./storage-error.ts";

/** Locks in force. Without this reference a lock would be let go as soon as its database object is collected as garbage. */
const held = new Set<DatabaseSync>();

/** Held by one process at a time; the system lets go of it when the process ends, however it ends. */
export interface FolderLock {
  release(): void;
}

/**
 * Makes the folder if it is missing, readable by its owner alone: it holds the server's keys.
 * @throws {ConfigurationError} `DATA_UNUSABLE`
 */
export function makeFolder(folder: string): void {
  try {
    makeWithParents(folder);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === "EEXIST" || code === "ENOTDIR" ? "a file stands in its place" : message;
    throw new ConfigurationError("DATA_UNUSABLE", `cannot use data folder ${folder}: ${why}`, { cause });
  }
}

/** Not by the `recursive` of mkdir: it never returns where a file system refuses new folders by ENOENT, as /proc and automounters do. */
function makeWithParents(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return;
  makeWithParents(dirname(folder));
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    // Another process may have been as fast.
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}

/** Makes an empty file readable by its owner alone, unless it exists. SQLite gives its side files the same mode. */
export function touchPrivate(file: string): void {
  try {
    closeSync(openSync(file, "a", 0o600));
  } catch (cause) {
    throw new ConfigurationError("DATA_UNUSABLE", `cannot write ${file}: ${(cause as Error).message}`, { cause });
  }
}

/** Makes the names in a folder durable. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Locks a data folder for this process. The lock is SQLite's, on an empty file of its own, so that the database
 * itself stays open to backup tools while the node runs.
 * @throws {OperationalError} `DATA_IN_USE` while another opener holds it
 */
export function lockFolder(folder: string): FolderLock {
  const file = join(folder, "aorta.lock");
  touchPrivate(file);
  const database = mapErrors(file, () => new DatabaseSync(file, { timeout: 0 }));
  try {
    mapErrors(file, () => {
      try {
        database.exec("BEGIN EXCLUSIVE");
      } catch (error) {
        if (!isBusy(error)) throw error;
        throw new OperationalError("DATA_IN_USE", `data folder ${folder} is in use by another running node`);
      }
    });
  } catch (error) {
    database.close();
    throw error;
  }
  held.add(database);
  return {
    release() {
      if (held.delete(database)) database.close();
    },
  };
}
