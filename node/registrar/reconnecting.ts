import type { Aor } from "../../dht-schema/aor.ts";
import { areSameUris } from "../sip/message/uri.ts";
import type { Binding } from "./binding.ts";

/**
 * Clients that could only be reached over a connection which has ended a moment ago. Most make another at once, as when a proxy is loaded anew or a network drops out: nothing is sent to them
 * meanwhile, but their user is kept, and watchers are not told that they are gone, to be told that they are back.
 */
export class Reconnecting {
  readonly #lost = new Map<Aor, { readonly bindings: readonly Binding[]; readonly untilMs: number }>();
  readonly #perUser: number;

  /** @param perUser of one user; the latest */
  constructor(perUser: number) {
    this.#perUser = perUser;
  }

  has(aor: Aor): boolean {
    return this.#lost.has(aor);
  }

  of(aor: Aor): readonly Binding[] {
    return this.#lost.get(aor)?.bindings ?? [];
  }

  add(aor: Aor, lost: readonly Binding[], untilMs: number): void {
    if (lost.length === 0) return;
    this.#lost.set(aor, { bindings: [...this.of(aor), ...lost].slice(-this.#perUser), untilMs });
  }

  /** Those who are there again, by Contact or instance, are not waited for. @param bindings of the user */
  back(aor: Aor, bindings: readonly Binding[]): void {
    const known = this.#lost.get(aor);
    if (known === undefined) return;
    const isBack = (lost: Binding) =>
      bindings.some(
        ({ uri, instance }) => areSameUris(uri, lost.uri) || (instance !== "" && instance === lost.instance),
      );
    const left = known.bindings.filter((lost) => !isBack(lost));
    if (left.length === 0) this.#lost.delete(aor);
    else this.#lost.set(aor, { ...known, bindings: left });
  }

  forget(aor: Aor): void {
    this.#lost.delete(aor);
  }

  /** Gives up those whose time is over; returns their users. */
  expire(nowMs: number): readonly Aor[] {
    const over = [...this.#lost].flatMap(([aor, { untilMs }]) => (untilMs <= nowMs ? [aor] : []));
    for (const aor of over) this.#lost.delete(aor);
    return over;
  }
}
