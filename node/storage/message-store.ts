import type { Aor } from "../../dht-schema/aor.ts";
import { limits } from "../runtime/limits.ts";
import type { Database, Row } from "./database.ts";
import type { HeldMessage, MessageStore } from "./ports.ts";

/**
 * Messages in the database. What is held is on disk before its sender is told so: it cannot be asked for again. That one was
 * delivered is safe from a crash of the process at the end of the turn.
 * @param namesMax deliveries that are remembered; beyond, the oldest are forgotten
 */
export function createMessageStore(database: Database, namesMax: number = limits.messaging.namesOnDisk): MessageStore {
  const { expiredAtOnce } = limits.messaging;
  const hold = database.prepare(
    "INSERT INTO held_message (key, recipient, sender, expires_at_ms, message) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
  );
  const next = database.prepare("SELECT * FROM held_message WHERE recipient = ? AND id > ? ORDER BY id LIMIT 1");
  const shortest = database.prepare(
    "SELECT * FROM held_message WHERE recipient = ? AND id > ? ORDER BY length(message), id LIMIT 1",
  );
  const remove = database.prepare("DELETE FROM held_message WHERE id = ?");
  const recipients = database.prepare("SELECT recipient, count(*) AS messages FROM held_message GROUP BY recipient");
  // Without the first step SQLite would sort the messages themselves.
  const parts = database.prepare(`
    WITH part AS MATERIALIZED (SELECT recipient, sender, length(message) AS bytes FROM held_message)
    SELECT recipient, sender, count(*) AS messages, sum(bytes) AS bytes FROM part GROUP BY recipient, sender
  `);
  const expire = database.prepare(`
    DELETE FROM held_message WHERE id IN (SELECT id FROM held_message WHERE expires_at_ms <= ? ORDER BY expires_at_ms LIMIT ?)
    RETURNING recipient, sender, length(message) AS bytes
  `);
  const delivered = database.prepare("INSERT INTO delivered_message VALUES (?, ?) ON CONFLICT (key) DO NOTHING");
  const wasDelivered = database.prepare("SELECT 1 FROM delivered_message WHERE key = ?");
  const deliveredKeys = database.prepare("SELECT key FROM delivered_message LIMIT ?");
  const forget = database.prepare(
    "DELETE FROM delivered_message WHERE key IN (SELECT key FROM delivered_message WHERE forget_at_ms <= ? ORDER BY forget_at_ms LIMIT ?)",
  );
  // To count them takes as long as to read them all.
  let names = database.prepare("SELECT count(*) AS names FROM delivered_message").get()?.["names"] as number;
  return {
    hold: ({ key, recipient, sender, expiresAtMs, message }) =>
      database.durably(() => hold.run(key, recipient, sender, expiresAtMs, message)) > 0,
    next(recipient, behindId = 0) {
      const row = next.get(recipient, behindId);
      return row && heldOf(row);
    },
    shortest(recipient, behindId) {
      const row = shortest.get(recipient, behindId);
      return row && heldOf(row);
    },
    remove(id, isBack = () => {}) {
      const isRemoved = remove.run(id) > 0;
      if (isRemoved) database.group.join({ done: (isKept) => isKept || isBack() });
      return isRemoved;
    },
    recipients: () =>
      recipients.all().map((row) => ({ recipient: row["recipient"] as Aor, messages: row["messages"] as number })),
    parts: () =>
      parts.all().map((row) => ({
        recipient: row["recipient"] as Aor,
        sender: row["sender"] as string,
        messages: row["messages"] as number,
        bytes: row["bytes"] as number,
      })),
    expire(nowMs, areBack = () => {}) {
      const forgotten = forget.run(nowMs, expiredAtOnce);
      const tooMany = Math.min(names - forgotten - namesMax, expiredAtOnce);
      const madeRoom = tooMany > 0 ? forget.run(Number.MAX_SAFE_INTEGER, tooMany) : 0;
      names -= forgotten + madeRoom;
      const expired = expire.all(nowMs, expiredAtOnce).map((row) => ({
        recipient: row["recipient"] as Aor,
        sender: row["sender"] as string,
        bytes: row["bytes"] as number,
      }));
      const done = (isKept: boolean) => {
        if (isKept) return;
        names += forgotten + madeRoom;
        areBack(expired);
      };
      if (forgotten + madeRoom + expired.length > 0) database.group.join({ done });
      return { expired, hasMore: Math.max(forgotten, madeRoom, expired.length) === expiredAtOnce };
    },
    delivered: (key, forgetAtMs) => void (names += delivered.run(key, forgetAtMs)),
    wasDelivered: (key) => wasDelivered.get(key) !== undefined,
    deliveredKeys(max) {
      const rows = deliveredKeys.all(max + 1);
      return rows.length > max ? undefined : new Set(rows.map((row) => row["key"] as string));
    },
  };
}

function heldOf(row: Row): HeldMessage & { readonly id: number } {
  return {
    id: row["id"] as number,
    key: row["key"] as string,
    recipient: row["recipient"] as Aor,
    sender: row["sender"] as string,
    expiresAtMs: row["expires_at_ms"] as number,
    message: row["message"] as Uint8Array,
  };
}
