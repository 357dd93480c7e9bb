import type { DatabaseSync } from "node:sqlite";
import { ConfigurationError } from "../runtime/errors.ts";

/** `application_id` of a node's database, the letters AORT: tells it from any other SQLite file. */
export const APPLICATION_ID = 0x414f5254;

/**
 * How the schema came to be, oldest first. The number of steps taken stands in `user_version`.
 * A step that has been released is never changed: a new one is added.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE user (
    aor TEXT PRIMARY KEY,
    username TEXT NOT NULL,
    realm TEXT NOT NULL,
    ha1_md5 TEXT NOT NULL,
    ha1_sha256 TEXT NOT NULL,
    UNIQUE (username, realm)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE contact (
    aor TEXT NOT NULL,
    uri TEXT NOT NULL,
    flow TEXT NOT NULL,
    call_id TEXT NOT NULL,
    cseq INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    q INTEGER NOT NULL,
    user_agent TEXT NOT NULL,
    instance TEXT NOT NULL,
    PRIMARY KEY (aor, uri)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE invite (
    secret_hash TEXT PRIMARY KEY,
    expires_at_ms INTEGER NOT NULL,
    steward INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE held_message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    recipient TEXT NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    message BLOB NOT NULL
  ) STRICT;
  CREATE INDEX held_message_recipient ON held_message (recipient, id);

  CREATE TABLE delivered_message (
    key TEXT PRIMARY KEY,
    forget_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE contact ADD COLUMN epoch TEXT NOT NULL DEFAULT '';

  CREATE TABLE shed_registration (
    aor TEXT NOT NULL,
    call_id TEXT NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    PRIMARY KEY (aor, call_id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE publication (
    aor TEXT NOT NULL,
    key TEXT NOT NULL,
    entity_tag TEXT NOT NULL,
    document BLOB NOT NULL,
    path TEXT NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    epoch TEXT NOT NULL,
    PRIMARY KEY (aor, key)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE subscription (
    local_tag TEXT PRIMARY KEY,
    event TEXT NOT NULL,
    aor TEXT NOT NULL,
    subscriber TEXT NOT NULL,
    dialog TEXT NOT NULL,
    remote_cseq INTEGER NOT NULL,
    local_cseq INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    active INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE resource_list (
    uri TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    members TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE history (
    id INTEGER PRIMARY KEY,
    user TEXT NOT NULL,
    peer TEXT NOT NULL,
    sent INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    call_id TEXT NOT NULL,
    text TEXT NOT NULL
  ) STRICT;
  CREATE INDEX history_user ON history (user, at_ms);
  CREATE INDEX history_age ON history (at_ms);
  CREATE VIRTUAL TABLE history_words USING fts5 (
    text, content = 'history', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
  );
  CREATE TRIGGER history_added AFTER INSERT ON history BEGIN
    INSERT INTO history_words (rowid, text) VALUES (new.id, new.text);
  END;
  CREATE TRIGGER history_removed AFTER DELETE ON history BEGIN
    INSERT INTO history_words (history_words, rowid, text) VALUES ('delete', old.id, old.text);
  END;
  `,
  // The history has a file of its own; what is here is moved there while the node runs.
  `
  DROP TRIGGER history_added;
  DROP TRIGGER history_removed;
  DROP TABLE history_words;
  DROP INDEX history_user;
  DROP INDEX history_age;
  ALTER TABLE history RENAME TO old_history;
  `,
  `
  ALTER TABLE resource_list ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE resource_list ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
  `,
  "-- What knows no further than the last step needs old_history, which is dropped when it is empty.",
  `
  ALTER TABLE held_message ADD COLUMN sender TEXT NOT NULL DEFAULT '';
  CREATE INDEX delivered_message_age ON delivered_message (forget_at_ms);
  `,
  // Two devices of a user may have the same Contact, each behind a NAT of its own.
  `
  CREATE TABLE contact_with_twin (
    aor TEXT NOT NULL,
    uri TEXT NOT NULL,
    twin TEXT NOT NULL,
    flow TEXT NOT NULL,
    call_id TEXT NOT NULL,
    cseq INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    q INTEGER NOT NULL,
    user_agent TEXT NOT NULL,
    instance TEXT NOT NULL,
    epoch TEXT NOT NULL,
    PRIMARY KEY (aor, uri, twin)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO contact_with_twin
    SELECT aor, uri, '', flow, call_id, cseq, expires_at_ms, q, user_agent, instance, epoch FROM contact;
  DROP TABLE contact;
  ALTER TABLE contact_with_twin RENAME TO contact;
  `,
  "CREATE INDEX held_message_age ON held_message (expires_at_ms)",
];

/**
 * Brings a database to the newest schema, each step in a transaction of its own.
 * @param file its name, for messages
 * @returns how many steps were taken
 * @throws {ConfigurationError} `DATABASE_NEWER` when a later release wrote it, `DATABASE_FOREIGN` when it is not ours
 */
export function migrate(database: DatabaseSync, file: string, steps: readonly string[] = migrations): number {
  const from = pragma(database, "user_version");
  const applicationId = pragma(database, "application_id");
  if (applicationId !== APPLICATION_ID && (applicationId !== 0 || from !== 0 || holdsTables(database))) {
    throw new ConfigurationError(
      "DATABASE_FOREIGN",
      `${file} is a database of another program; choose another data folder`,
    );
  }
  if (from > steps.length) {
    throw new ConfigurationError(
      "DATABASE_NEWER",
      `${file} was written by a later release of Aorta (schema ${from}, this release knows ${steps.length}); use that release`,
    );
  }
  for (let version = from; version < steps.length; version++) {
    database.exec("BEGIN IMMEDIATE");
    try {
      database.exec(steps[version] as string);
      database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${version + 1}; COMMIT`);
    } catch (cause) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw cause;
    }
  }
  return steps.length - from;
}

function pragma(database: DatabaseSync, name: "user_version" | "application_id"): number {
  return (database.prepare(`PRAGMA ${name}`).get() as Record<typeof name, number>)[name];
}

function holdsTables(database: DatabaseSync): boolean {
  return database.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() !== undefined;
}
