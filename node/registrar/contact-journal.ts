import type { Aor } from "../../dht-schema/aor.ts";
import type { Logger } from "../runtime/logger.ts";
import type { ContactStore } from "../storage/ports.ts";
import type { Binding } from "./binding.ts";
import type { Instant } from "./stored-binding.ts";
import { fromStored, toStored } from "./stored-binding.ts";

/** An order that is on disk. */
export interface StoredOrder {
  readonly isOwned: boolean;
  readonly before: readonly Binding[];
  readonly after: readonly Binding[];
}

/** Keeps bindings on disk, so that they outlive the process. A disk that fails is logged; it never ends a registration. */
export class ContactJournal {
  readonly #store: ContactStore;
  readonly #logger: Logger;

  constructor(store: ContactStore, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
  }

  /** The bindings of the last run that can still be reached; the others are forgotten. */
  restore(now: Instant, maxSeconds: number): ReadonlyMap<Aor, readonly Binding[]> {
    const restored = new Map<Aor, Binding[]>();
    for (const stored of this.#store.list()) {
      const binding = fromStored(stored, now, maxSeconds);
      if (binding === undefined) {
        this.#store.remove(stored.aor, stored.uri);
        continue;
      }
      const bindings = restored.get(stored.aor);
      if (bindings === undefined) restored.set(stored.aor, [binding]);
      else bindings.push(binding);
    }
    return restored;
  }

  /** Writes the difference; false, with what was there before put back as far as possible, when the disk failed. */
  replace(aor: Aor, before: readonly Binding[], after: readonly Binding[], now: Instant): boolean {
    try {
      this.#write(aor, before, after, now);
      return true;
    } catch (error) {
      this.#logger.error({ aor, err: error }, "contacts could not be stored");
      this.#attempt(aor, () => this.#write(aor, after, before, now));
      return false;
    }
  }

  remove(aor: Aor, bindings: readonly Binding[]): void {
    for (const { uri } of bindings) this.#attempt(aor, () => this.#store.remove(aor, uri));
  }

  removeAll(aor: Aor): void {
    this.#attempt(aor, () => this.#store.removeAll(aor));
  }

  #write(aor: Aor, before: readonly Binding[], after: readonly Binding[], now: Instant): void {
    for (const binding of after) if (!before.includes(binding)) this.#store.put(toStored(aor, binding, now));
    for (const { uri } of before) if (after.every((binding) => binding.uri !== uri)) this.#store.remove(aor, uri);
  }

  #attempt(aor: Aor, write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#logger.error({ aor, err: error }, "contacts on disk are out of date");
    }
  }
}
