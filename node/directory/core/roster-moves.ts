import type { Appointment } from "./agenda.ts";
import type { Context } from "./context.ts";

/**
 * What is kept under a roster, one thing for each user, and is moved to the next when that comes into force: of a million users so many at once that others have their turn in between.
 * What is needed before its turn is moved when it is, by whoever keeps it: so a thing may come here that has been moved, or was made since.
 */
export class RosterMoves<Item> {
  readonly #context: Pick<Context, "tuning" | "agenda">;
  readonly #move: (nowMs: number, item: Item) => void;
  #left: Iterator<Item> | undefined;
  #next: Appointment | undefined;

  constructor(context: Pick<Context, "tuning" | "agenda">, move: (nowMs: number, item: Item) => void) {
    this.#context = context;
    this.#move = move;
  }

  get isOver(): boolean {
    return this.#left === undefined;
  }

  /** @param items may grow and shrink meanwhile, as the values of a `Map` */
  begin(nowMs: number, items: Iterator<Item>): void {
    this.#left = items;
    this.#goOn(nowMs);
  }

  /** Moves all that are left: before the next roster. */
  finish(nowMs: number): void {
    this.#next?.cancel();
    this.#moveSome(nowMs, Infinity);
  }

  #goOn(nowMs: number): void {
    const { movedAtOnce, movePauseMs } = this.#context.tuning;
    this.#moveSome(nowMs, movedAtOnce);
    if (!this.isOver) this.#next = this.#context.agenda.add(nowMs + movePauseMs, (atMs) => this.#goOn(atMs));
  }

  #moveSome(nowMs: number, most: number): void {
    for (let looked = 0; this.#left !== undefined && looked < most; looked++) {
      const { done, value: item } = this.#left.next();
      if (done === true) this.#left = undefined;
      else this.#move(nowMs, item);
    }
  }
}
