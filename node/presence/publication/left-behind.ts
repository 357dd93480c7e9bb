import type { Aor } from "../../../dht-schema/aor.ts";
import { RecentMap } from "../../runtime/recent-map.ts";

/**
 * Devices whose publication is here no more because their user has gone to another server: known by having been told so with 412. What such a device does next, as
 * RFC 3903 §4.4 asks, is an initial PUBLISH: that is its own doing and nobody's choice, as the refresh of a registration is. If it took the user back, two devices
 * would throw each other out for ever.
 */
export class LeftBehind {
  readonly #untilMs: RecentMap<string, number>;

  /** @param capacity names remembered; with more, those not heard of for longest are forgotten */
  constructor(capacity: number) {
    this.#untilMs = new RecentMap(capacity);
  }

  /** @param names by which the device is known again: any one will do */
  note(aor: Aor, names: readonly string[], untilMs: number): void {
    for (const name of names) this.#untilMs.set(keyOf(aor, name), untilMs);
  }

  has(aor: Aor, names: readonly string[], nowMs: number): boolean {
    return names.some((name) => (this.#untilMs.get(keyOf(aor, name)) ?? 0) > nowMs);
  }

  /** The user is here again. */
  forget(aor: Aor, names: readonly string[]): void {
    for (const name of names) this.#untilMs.delete(keyOf(aor, name));
  }
}

function keyOf(aor: Aor, name: string): string {
  return `${aor} ${name}`;
}
