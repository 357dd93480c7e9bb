import type { Aor } from "../../dht-schema/aor.ts";
import type { Clock } from "../runtime/clock.ts";
import type { ContactStore, WriteGroup } from "../storage/ports.ts";
import { WriteFailures } from "../storage/write-failures.ts";
import type { Binding, Change } from "./binding.ts";
import { isSameBinding } from "./binding.ts";
import type { RegistrarComponents } from "./registrar.ts";
import type { Instant } from "./stored-binding.ts";
import { fromStored, toStored } from "./stored-binding.ts";

/** Keeps bindings on disk, so that they outlive the process. A disk that fails is logged; it never ends a registration. */
export class ContactJournal {
  readonly #store: ContactStore;
  readonly #group: WriteGroup;
  readonly #clock: Clock;
  readonly #failures: WriteFailures;

  constructor({ store, group, clock, logger }: Pick<RegistrarComponents, "store" | "group" | "clock" | "logger">) {
    this.#store = store;
    this.#group = group;
    this.#clock = clock;
    this.#failures = new WriteFailures({ clock, logger });
  }

  /** The bindings of the last run that can still be reached; the others are forgotten. */
  *restore(maxSeconds: number): Iterable<[Aor, readonly Binding[]]> {
    const now = this.#now();
    let last: [Aor, Binding[]] | undefined;
    // Those of one user follow each other.
    for (const stored of this.#store.list()) {
      const binding = fromStored(stored, now, maxSeconds);
      if (binding === undefined) {
        this.#attempt(stored.aor, () => this.#store.remove(stored.aor, stored.uri, stored.twin));
      } else if (last?.[0] === stored.aor) {
        last[1].push(binding);
      } else {
        if (last !== undefined) yield last;
        last = [stored.aor, [binding]];
      }
    }
    if (last !== undefined) yield last;
  }

  /**
   * Writes a change at the end of this turn of the event loop, with all others of the turn.
   * @param change found out at that instant, or why there is none
   * @param conclude told when it is on disk, or that it is not
   */
  keep<Refused extends object = never>(
    aor: Aor,
    change: () => Change | Refused,
    conclude: (change: Change | Refused, isKept: boolean) => void,
  ): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    let changed: Change | Refused | undefined;
    let isStored = false;
    this.#group.join({
      write: () => {
        changed = change();
        if ("after" in changed) isStored = this.replace(aor, changed.before, changed.after);
      },
      done: (isKept) => {
        if (changed !== undefined) conclude(changed, isStored && isKept);
        resolve();
      },
    });
    return promise;
  }

  /** Writes the difference; false, with what was there before put back as far as possible, when the disk failed. */
  replace(aor: Aor, before: readonly Binding[], after: readonly Binding[]): boolean {
    const now = this.#now();
    try {
      this.#write(aor, before, after, now);
      return true;
    } catch (error) {
      this.#failures.tell(error, "contacts could not be stored", { aor });
      this.#attempt(aor, () => this.#write(aor, after, before, now));
      return false;
    }
  }

  remove(aor: Aor, bindings: readonly Binding[]): void {
    for (const { uri, twin } of bindings) this.#attempt(aor, () => this.#store.remove(aor, uri, twin));
  }

  removeAll(aor: Aor): void {
    this.#attempt(aor, () => this.#store.removeAll(aor));
  }

  #write(aor: Aor, before: readonly Binding[], after: readonly Binding[], now: Instant): void {
    for (const binding of after) if (!before.includes(binding)) this.#store.put(toStored(aor, binding, now));
    for (const old of before)
      if (after.every((binding) => !isSameBinding(binding, old))) this.#store.remove(aor, old.uri, old.twin);
  }

  #attempt(aor: Aor, write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#failures.tell(error, "contacts on disk are out of date", { aor });
    }
  }

  #now(): Instant {
    return { monotonicMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() };
  }
}
