import type { Aor } from "../../dht-schema/aor.ts";
import type { Database, Row } from "./database.ts";
import type { HistoryEntry, HistoryQuery, HistoryStore } from "./ports.ts";

/** Conversations in the database, with an index of their words. A write is safe from a crash of the process at the end of the turn. */
export function createHistoryStore(database: Database): HistoryStore {
  const add = database.prepare(
    "INSERT INTO history (user, peer, sent, at_ms, call_id, text) VALUES (?, ?, ?, ?, ?, ?)",
  );
  const page =
    "AND at_ms < ?3 AND at_ms >= ?4 AND (?5 = '' OR peer = ?5) ORDER BY at_ms DESC, history.id DESC LIMIT ?6";
  const list = database.prepare(`SELECT * FROM history WHERE user = ?1 AND ?2 = '' ${page}`);
  const search = database.prepare(
    `SELECT history.* FROM history_words JOIN history ON history.id = history_words.rowid
       WHERE user = ?1 AND history_words MATCH ?2 ${page}`,
  );
  const expire = database.prepare("DELETE FROM history WHERE at_ms < ?");
  return {
    add: ({ user, peer, sent, atMs, callId, text }) => void add.run(user, peer, sent ? 1 : 0, atMs, callId, text),
    find({ user, words, peer, sinceMs, beforeMs, limit }) {
      const match = matchOf(words);
      const rows = (match === "" ? list : search).all(user, match, beforeMs, sinceMs, peer ?? "", limit);
      return rows.map(entryOf);
    },
    expire: (beforeMs) => expire.run(beforeMs),
  };
}

/** All words, in whatever order, each also as the beginning of a longer one. What a user types is never syntax. */
function matchOf(words: HistoryQuery["words"]): string {
  return words.map((word) => `"${word.replaceAll('"', '""')}"*`).join(" ");
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
