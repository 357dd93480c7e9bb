import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { WriteGroup } from "./ports.ts";

type Member = Parameters<WriteGroup["join"]>[0];

/** What is to be written in one turn of the event loop. */
interface Turn {
  readonly members: Member[];
  /** Whether something was written that is not committed. */
  isOpen: boolean;
  isKept: boolean;
}

/**
 * One transaction for all that is written in one turn of the event loop: a commit costs ten times what a row does. Reads see at
 * once what was written.
 */
export class GroupCommit implements Pick<WriteGroup, "join"> {
  readonly #database: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #onCommit: (error?: unknown) => void;
  #turn: Turn | undefined;

  /** @param onCommit told of each, and why it failed */
  constructor(database: DatabaseSync, onCommit: (error?: unknown) => void) {
    this.#database = database;
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    this.#onCommit = onCommit;
  }

  join(member: Member): void {
    this.#present().members.push(member);
  }

  /** Runs a write in the transaction of this turn. */
  write<Result>(work: () => Result): Result {
    const turn = this.#present();
    if (!this.#isThere(turn)) {
      this.#begin.run();
      turn.isOpen = true;
    }
    return work();
  }

  /** Commits what was written so far, before the turn ends. */
  commit(): void {
    const turn = this.#turn;
    if (!this.#database.isOpen || turn === undefined || !this.#isThere(turn)) return;
    turn.isOpen = false;
    try {
      this.#commit.run();
      this.#onCommit();
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      turn.isKept = false;
      this.#onCommit(error);
    }
  }

  /** Whether a transaction is open. A full disk takes back all of one, with whatever statement. */
  #isThere(turn: Turn): boolean {
    const { isTransaction } = this.#database;
    if (turn.isOpen && !isTransaction) {
      turn.isOpen = false;
      turn.isKept = false;
    }
    return isTransaction;
  }

  #present(): Turn {
    if (this.#turn !== undefined) return this.#turn;
    const turn: Turn = { members: [], isOpen: false, isKept: true };
    setImmediate(() => this.#end(turn));
    return (this.#turn = turn);
  }

  #end(turn: Turn): void {
    const { members } = turn;
    const faults: unknown[] = [];
    const attempt = (act: () => void) => {
      try {
        act();
      } catch (error) {
        faults.push(error);
      }
    };
    for (const { write } of members) if (write !== undefined) attempt(write);
    this.commit();
    this.#turn = undefined;
    for (const { done } of members) attempt(() => done(turn.isKept));
    // A fault of one is heard of when all others of the turn have been told.
    if (faults.length > 0) throw faults[0];
  }
}
