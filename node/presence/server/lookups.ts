import type { Aor } from "../../../dht-schema/aor.ts";
import type { Location, Locator } from "../../federation/locator.ts";
import { limits } from "../../runtime/limits.ts";
import { QueueMap } from "../../runtime/queue-map.ts";

/** Who wants to know where a user is. */
export interface Lookup {
  /** Asked when its turn has come: it may have learnt meanwhile. */
  isWanted(): boolean;
  found(location: Location): void;
}

/**
 * Looks users up for their watchers, some at a time. Where leases run out, all users of a server are looked for at once, by a directory that cannot be reached or has just
 * come back: the rest waits, and mostly learns by its watch.
 */
export class Lookups {
  readonly #locator: Pick<Locator, "locate">;
  readonly #waiting = new QueueMap<Aor, Lookup>();
  #underWay = 0;

  constructor(locator: Pick<Locator, "locate">) {
    this.#locator = locator;
  }

  /** One a user: a new one takes the place of one that still waits. */
  ask(aor: Aor, lookup: Lookup): void {
    this.#waiting.set(aor, lookup);
    this.#goOn();
  }

  #goOn(): void {
    while (this.#underWay < limits.presence.lookups) {
      const first = this.#waiting.shift();
      if (first === undefined) return;
      const [aor, lookup] = first;
      if (!lookup.isWanted()) continue;
      this.#underWay += 1;
      void this.#locator.locate(aor).then((location) => {
        this.#underWay -= 1;
        lookup.found(location);
        this.#goOn();
      });
    }
  }
}
