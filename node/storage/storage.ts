import { join } from "node:path";
import { limits } from "../runtime/limits.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Database } from "./database.ts";
import { openDatabase, openMemoryDatabase } from "./database.ts";
import { historySchema } from "./history-schema.ts";
import type { FolderLock } from "./folder.ts";
import { lockFolder, makeFolder } from "./folder.ts";
import { createHistoryStore } from "./history-store.ts";
import { createMessageStore } from "./message-store.ts";
import { createOldHistory } from "./old-history.ts";
import type { Storage } from "./ports.ts";
import { createPresenceStores } from "./presence-stores.ts";
import { logProblems } from "./problem-log.ts";
import {
  createContactStore,
  createExpiryStore,
  createInviteStore,
  createSettings,
  createShedStore,
  createUserStore,
} from "./stores.ts";

/** Name of the database in a data folder. */
export const DATABASE_NAME = "aorta.db";
/** Name of the database of what users wrote. */
const HISTORY_NAME = "history.db";

export interface StorageOptions {
  readonly logger: Logger;
  /** Most bytes the database may grow to; a write beyond fails with `DISK_FULL`. @default limits.storage.databaseBytes */
  readonly databaseBytesMax?: number;
  /** The same of the history, where the oldest entries make room. @default limits.history.databaseBytes */
  readonly historyBytesMax?: number;
}

/**
 * Opens the data folder of a node, making it if it is missing. One opener at a time, until `close` or the end of the process.
 * @throws {ConfigurationError} `DATA_UNUSABLE`, `DATABASE_NEWER`, `DATABASE_FOREIGN`
 * @throws {OperationalError} `DATA_IN_USE`, `DATABASE_DAMAGED`, `DISK_FULL`, `STORAGE_FAILED`
 */
export function openStorage(folder: string, options: StorageOptions): Storage {
  const { logger, databaseBytesMax = limits.storage.databaseBytes } = options;
  const { historyBytesMax = limits.history.databaseBytes } = options;
  makeFolder(folder);
  const lock = lockFolder(folder);
  try {
    const file = join(folder, DATABASE_NAME);
    const onProblem = logProblems(file, logger.child({ part: "storage" }));
    const database = openDatabase(file, { bytesMax: databaseBytesMax, onProblem });
    logger.debug({ file }, "database opened");
    const history = { schema: historySchema, bytesMax: historyBytesMax, isChecked: false };
    return createStorage(database, () => openDatabase(join(folder, HISTORY_NAME), history), lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** A storage that is gone when it is closed. */
export function openMemoryStorage(): Storage {
  const database = openMemoryDatabase({ bytesMax: limits.storage.databaseBytes });
  return createStorage(database, () =>
    openMemoryDatabase({ schema: historySchema, bytesMax: limits.history.databaseBytes }),
  );
}

function createStorage(database: Database, openHistory: () => Database, lock?: FolderLock): Storage {
  const history = createHistoryStore(openHistory, createOldHistory(database));
  return {
    problem: () => database.problem(),
    settings: createSettings(database),
    users: createUserStore(database),
    contacts: createContactStore(database),
    invites: createInviteStore(database),
    messages: createMessageStore(database),
    shed: createShedStore(database),
    ...createPresenceStores(database),
    history,
    group: database.group,
    expiries: createExpiryStore(database),
    close() {
      history.close();
      database.close();
      lock?.release();
    },
  };
}
