import type { Aor } from "../../dht-schema/aor.ts";
import { areSameUris } from "../sip/message/uri.ts";
import type { Binding } from "./binding.ts";

interface Lost {
  readonly binding: Binding;
  readonly untilMs: number;
}

/**
 * Clients that could only be reached over a connection which has ended a moment ago. Most make another at once, as when a proxy is loaded anew or a network drops out: nothing is sent to them
 * meanwhile, but their user is kept, and watchers are not told that they are gone, to be told that they are back.
 */
export class Reconnecting {
  readonly #lost = new Map<Aor, readonly Lost[]>();
  readonly #perUser: number;

  /** @param perUser of one user; the latest */
  constructor(perUser: number) {
    this.#perUser = perUser;
  }

  has(aor: Aor): boolean {
    return this.#lost.has(aor);
  }

  of(aor: Aor): readonly Binding[] {
    return this.#lost.get(aor)?.map(({ binding }) => binding) ?? [];
  }

  add(aor: Aor, bindings: readonly Binding[], untilMs: number): void {
    const lost = bindings.map((binding) => ({ binding, untilMs }));
    this.#set(aor, [...(this.#lost.get(aor) ?? []), ...lost].slice(-this.#perUser));
  }

  /** Those who are there again, by Contact or instance, are not waited for. @param bindings of the user */
  back(aor: Aor, bindings: readonly Binding[]): void {
    const known = this.#lost.get(aor);
    if (known === undefined) return;
    const isBack = ({ uri, instance }: Binding) =>
      bindings.some((there) => areSameUris(there.uri, uri) || (instance !== "" && there.instance === instance));
    const left = known.filter(({ binding }) => !isBack(binding));
    this.#set(aor, left);
  }

  forget(aor: Aor): void {
    this.#lost.delete(aor);
  }

  /** Gives up those whose time is over; returns their users. */
  expire(nowMs: number): readonly Aor[] {
    const changed: Aor[] = [];
    for (const [aor, lost] of this.#lost) {
      const left = lost.filter(({ untilMs }) => untilMs > nowMs);
      if (left.length === lost.length) continue;
      this.#set(aor, left);
      changed.push(aor);
    }
    return changed;
  }

  #set(aor: Aor, lost: readonly Lost[]): void {
    if (lost.length === 0) this.#lost.delete(aor);
    else this.#lost.set(aor, lost);
  }
}
