import type { Aor } from "../../../dht-schema/aor.ts";
import type { Epoch } from "../../../dht-schema/ballot.ts";
import type { Context } from "./context.ts";

/** Under which epoch users were taken over from this server, for a while: requests that are on their way here are sent on. */
export class ForwardingNotes extends Map<Aor, Epoch> {
  readonly #context: Pick<Context, "agenda" | "tuning">;

  constructor(context: Pick<Context, "agenda" | "tuning">) {
    super();
    this.#context = context;
  }

  take(nowMs: number, aor: Aor, to: Epoch): void {
    this.set(aor, to);
    const { agenda, tuning } = this.#context;
    agenda.add(nowMs + tuning.forwardingMs, () => {
      if (this.get(aor) === to) this.delete(aor);
    });
  }
}
