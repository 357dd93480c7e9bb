import type { Database, Row } from "./database.ts";

/** What earlier releases kept of conversations in the node's own database, until it is moved to that of the history. */
export interface OldHistory {
  isEmpty(): boolean;
  /** The newest first. */
  newest(count: number): readonly Row[];
  /** Removes what has this id or a higher one. */
  removeDownTo(id: number): void;
}

/** Its table goes with the first start after all of it was moved. */
export function createOldHistory(database: Database): OldHistory {
  const table = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'old_history'");
  if (table.get() === undefined) return NOTHING;
  const any = database.prepare("SELECT 1 FROM old_history LIMIT 1");
  if (any.get() === undefined && isDropped(database)) return NOTHING;
  const newest = database.prepare("SELECT * FROM old_history ORDER BY id DESC LIMIT ?");
  const remove = database.prepare("DELETE FROM old_history WHERE id >= ?");
  return {
    isEmpty: () => any.get() === undefined,
    newest: (count) => newest.all(count),
    removeDownTo: (id) => void remove.run(id),
  };
}

const NOTHING: OldHistory = { isEmpty: () => true, newest: () => [], removeDownTo() {} };

function isDropped(database: Database): boolean {
  const drop = database.prepare("DROP TABLE old_history");
  try {
    database.durably(() => drop.run());
    return true;
  } catch {
    // As where the disk is full: an empty table harms nobody.
    return false;
  }
}
