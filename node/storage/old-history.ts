import type { Database, Row } from "./database.ts";

/** What earlier releases kept of conversations in the node's own database, until it is moved to that of the history. */
export interface OldHistory {
  isEmpty(): boolean;
  /** The newest first. */
  newest(count: number): readonly Row[];
  /** Removes what has this id or a higher one. */
  removeDownTo(id: number): void;
}

export function createOldHistory(database: Database): OldHistory {
  const any = database.prepare("SELECT 1 FROM old_history LIMIT 1");
  const newest = database.prepare("SELECT * FROM old_history ORDER BY id DESC LIMIT ?");
  const remove = database.prepare("DELETE FROM old_history WHERE id >= ?");
  return {
    isEmpty: () => any.get() === undefined,
    newest: (count) => newest.all(count),
    removeDownTo: (id) => void remove.run(id),
  };
}
