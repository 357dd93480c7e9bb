import type { Aor } from "../../../dht-schema/aor.ts";
import type { Epoch } from "../../../dht-schema/ballot.ts";
import type { Context } from "./context.ts";

/** By which ballots users were taken over from here, for some time: where what is in flight for them has to go. */
export class ForwardingNotes {
  readonly #context: Context;
  readonly #notes = new Map<Aor, Epoch>();

  constructor(context: Context) {
    this.#context = context;
  }

  get(aor: Aor): Epoch | undefined {
    return this.#notes.get(aor);
  }

  remember(nowMs: number, aor: Aor, to: Epoch): void {
    this.#notes.set(aor, to);
    this.#context.agenda.add(nowMs + this.#context.tuning.forwardingMs, () => {
      if (this.#notes.get(aor) === to) this.#notes.delete(aor);
    });
  }

  /** The user is back. */
  forget(aor: Aor): void {
    this.#notes.delete(aor);
  }
}
