import type { Aor } from "../../dht-schema/aor.ts";
import { AortaError, OperationalError } from "../runtime/errors.ts";
import { limits } from "../runtime/limits.ts";
import type { Database, Row } from "./database.ts";
import type { OldHistory } from "./old-history.ts";
import type { HistoryEntry, HistoryQuery, HistoryStore } from "./ports.ts";
import { storageError } from "./storage-error.ts";
import { wordsApart } from "./words-apart.ts";

const { userPart, sparePart, removedAtOnce, movedAtOnce } = limits.history;

/** The history's database, open. */
type History = ReturnType<typeof openHistory>;

/**
 * Conversations in a database of their own, with an index of their words. It is opened when it is first needed; where that fails, nothing is written or
 * found, and {@link HistoryStore.expire} tries again. A write is safe from a crash of the process at the end of the turn.
 */
export function createHistoryStore(open: () => Database, old: OldHistory): HistoryStore {
  let state: History | AortaError | undefined;
  const history = (): History => {
    try {
      state ??= openHistory(open());
    } catch (error) {
      state = explained(error);
    }
    if (state instanceof AortaError) throw state;
    return state;
  };
  const explaining = <Result>(work: () => Result): Result => {
    try {
      return work();
    } catch (error) {
      throw explained(error);
    }
  };
  const opened = () => (state instanceof AortaError ? undefined : state);
  return {
    get isOpen() {
      return opened() !== undefined;
    },
    get isFull() {
      return opened()?.isFull() === true;
    },
    add(entry, done) {
      try {
        const { database, add } = history();
        add(entry);
        database.group.join({ done: (isKept) => done(isKept ? undefined : lost(database)) });
      } catch (error) {
        done(explained(error));
      }
    },
    find: (query) => explaining(() => history().find(query)),
    async remove(user) {
      const { database, remove } = history();
      const removed = explaining(() => remove(user));
      const isKept = await new Promise<boolean>((done) => database.group.join({ done }));
      if (!isKept) throw lost(database);
      return removed;
    },
    expire(beforeMs, isBack = () => {}) {
      state = opened();
      const { database, expire } = history();
      const removed = explaining(() => expire(beforeMs));
      if (removed > 0) database.group.join({ done: (isKept) => isKept || isBack() });
      return removed === removedAtOnce;
    },
    takeOver: () => explaining(() => history().takeOver(old)),
    isTakingOver: () => !old.isEmpty(),
    size: () => explaining(() => history().size()),
    close: () => opened()?.database.close(),
  };
}

/** @throws whatever is wrong with the database, which is closed then: nobody else has it, and it is opened again and again */
function openHistory(database: Database) {
  try {
    return createHistory(database);
  } catch (error) {
    database.close();
    throw error;
  }
}

function createHistory(database: Database) {
  // What is removed leaves no text in the file.
  database.prepare("PRAGMA secure_delete = ON").get();
  const add = database.prepare(
    "INSERT INTO history (user, peer, sent, at_ms, call_id, text) VALUES (?, ?, ?, ?, ?, ?)",
  );
  const addWords = database.prepare("INSERT INTO history_words (rowid, text) VALUES (last_insert_rowid(), ?)");
  const page =
    "AND at_ms < ?3 AND at_ms >= ?4 AND (?5 = '' OR peer = ?5) ORDER BY at_ms DESC, history.id DESC LIMIT ?6";
  const list = database.prepare(`SELECT * FROM history WHERE user = ?1 AND ?2 = '' ${page}`);
  const search = database.prepare(
    `SELECT history.* FROM history_words JOIN history ON history.id = history_words.rowid
       WHERE user = ?1 AND history_words MATCH ?2 ${page}`,
  );
  const removing = (rows: string) =>
    database.prepare(`DELETE FROM history WHERE id IN (SELECT id FROM history ${rows})`);
  const expire = removing(`WHERE at_ms < ? ORDER BY at_ms LIMIT ${removedAtOnce}`);
  const removeOldest = removing("ORDER BY at_ms LIMIT 1");
  const removeOldestOf = removing("WHERE user = ? ORDER BY at_ms LIMIT 1");
  const remove = removing(`WHERE user = ? ORDER BY at_ms LIMIT ${removedAtOnce}`);
  const share = database.prepare("SELECT bytes FROM share WHERE user = ?");
  const oldest = database.prepare("SELECT min(at_ms) AS at_ms FROM history");
  const takenOver = database.prepare("SELECT down_to FROM taken_over");
  const takeOver = database.prepare(
    "INSERT INTO taken_over VALUES (0, ?) ON CONFLICT DO UPDATE SET down_to = excluded.down_to",
  );

  const { bytesMax } = database.size();
  const shareBytes = bytesMax / userPart;
  const fullBytes = bytesMax - bytesMax / sparePart;
  let isFull = false;
  /** Between the two limits it stays what it was, so that it does not come and go with every write. */
  const lacksRoom = () => {
    const { bytes } = database.size();
    if (bytes > fullBytes) isFull = true;
    else if (bytes < 0.9 * fullBytes) isFull = false;
    return bytes > fullBytes;
  };

  /** Whoever has more than a share of it makes room for themselves; where there is no room all the same, the oldest of all do. */
  const write = ({ user, peer, sent, atMs, callId, text }: HistoryEntry) => {
    for (let removed = 0; removed < removedAtOnce && lacksRoom(); removed++) removeOldest.run();
    add.run(user, peer, sent ? 1 : 0, atMs, callId, text);
    addWords.run(wordsApart(text));
    for (let removed = 0; removed < removedAtOnce; removed++) {
      if ((share.get(user)?.["bytes"] as number) <= shareBytes) break;
      removeOldestOf.run(user);
    }
  };

  return {
    database,
    isFull: () => isFull,
    add: write,
    find({ user, words, peer, sinceMs, beforeMs, limit }: HistoryQuery) {
      const match = matchOf(words);
      const rows = (match === "" ? list : search).all(user, match, beforeMs, sinceMs, peer ?? "", limit);
      return rows.map(entryOf);
    },
    remove: (user: Aor) => remove.run(user),
    expire(beforeMs: number) {
      let removed = expire.run(beforeMs);
      // As after a start with a smaller limit.
      while (removed < removedAtOnce && lacksRoom() && removeOldest.run() > 0) removed++;
      return removed;
    },
    takeOver(old: OldHistory) {
      // What is here already was not removed there when the process ended in between.
      const downTo = takenOver.get()?.["down_to"] as number | undefined;
      if (downTo !== undefined) old.removeDownTo(downTo);
      const rows = old.newest(movedAtOnce);
      const last = rows.at(-1)?.["id"] as number | undefined;
      if (last === undefined) return false;
      database.durably(() => {
        for (const row of rows) write(entryOf(row));
        takeOver.run(last);
      });
      old.removeDownTo(last);
      return true;
    },
    size() {
      const oldestMs = oldest.get()?.["at_ms"] as number | null;
      return { ...database.size(), ...(oldestMs !== null && { oldestMs }) };
    },
  };
}

/** What a commit has failed with. */
function lost(database: Database): AortaError {
  const { code, message } = database.problem() ?? { code: "STORAGE_FAILED", message: "it could not be written" };
  return explained(new OperationalError(code, message));
}

/** Nothing else depends on this file: damage to it is no reason to give up the data folder, and in whatever way it shows, none to end the node. */
function explained(cause: unknown): AortaError {
  const error = storageError("history.db", cause);
  if (error.code !== "DATABASE_DAMAGED") return error;
  const advice =
    "history.db is damaged. With the node stopped, put a backup in its place, or move it away with its -wal and -shm: a new one is made";
  return new OperationalError("DATABASE_DAMAGED", advice, { cause: error });
}

/** All words, in whatever order, each also as the beginning of a longer one, and within text without spaces. What a user types is never syntax. */
function matchOf(words: HistoryQuery["words"]): string {
  return words.map((word) => `"${wordsApart(word).replaceAll('"', '""')}"*`).join(" ");
}

function entryOf(row: Row): HistoryEntry {
  return {
    user: row["user"] as Aor,
    peer: row["peer"] as string,
    sent: row["sent"] === 1,
    atMs: row["at_ms"] as number,
    callId: row["call_id"] as string,
    text: row["text"] as string,
  };
}
