/**
 * The database of what users wrote, as `schema.ts` has that of the rest. `share` is what each user takes: the octets of their texts, and
 * 256 for all else that an entry costs. The index holds words only, no text; pictures (`So`) count as words.
 */
export const historySchema: readonly string[] = [
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

  CREATE TABLE share (
    user TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE taken_over (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    down_to INTEGER NOT NULL
  ) STRICT;

  CREATE VIRTUAL TABLE history_words USING fts5 (
    text, content = '', contentless_delete = 1, tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co So'"
  );
  CREATE TRIGGER history_added AFTER INSERT ON history BEGIN
    INSERT INTO share VALUES (new.user, octet_length(new.text) + 256)
      ON CONFLICT (user) DO UPDATE SET bytes = bytes + excluded.bytes;
  END;
  CREATE TRIGGER history_removed AFTER DELETE ON history BEGIN
    DELETE FROM history_words WHERE rowid = old.id;
    UPDATE share SET bytes = bytes - octet_length(old.text) - 256 WHERE user = old.user;
    DELETE FROM share WHERE user = old.user AND bytes <= 0;
  END;
  `,
];
