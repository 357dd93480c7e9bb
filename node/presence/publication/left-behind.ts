import type { Aor } from "../../../dht-schema/aor.ts";
import { limits } from "../../runtime/limits.ts";
import { RecentMap } from "../../runtime/recent-map.ts";
import { shortName } from "../../runtime/short-name.ts";

/**
 * Devices whose publication is here no more because their user has gone to another server: known by having been told so, with 412 or 403. What such a device does after a 412, as
 * RFC 3903 §4.4 asks, is an initial PUBLISH: that is its own doing and nobody's choice, as the refresh of a registration is. If it took the user back, two devices
 * would throw each other out for ever.
 */
export class LeftBehind {
  /** Of each user, until when each name is remembered. */
  readonly #untilMs: RecentMap<Aor, Map<string, number>>;

  /** @param capacity users remembered; with more, those not heard of for longest are forgotten */
  constructor(capacity: number) {
    this.#untilMs = new RecentMap(capacity);
  }

  /** @param names by which the device is known again: any one will do */
  note(aor: Aor, names: readonly string[], untilMs: number): void {
    const known = this.#untilMs.get(aor) ?? new Map<string, number>();
    for (const name of names) {
      const key = shortName(name);
      known.delete(key);
      known.set(key, untilMs);
    }
    for (const oldest of known.keys()) {
      if (known.size <= limits.presence.leftBehindNames) break;
      known.delete(oldest);
    }
    this.#untilMs.set(aor, known);
  }

  has(aor: Aor, names: readonly string[], nowMs: number): boolean {
    const known = this.#untilMs.get(aor);
    return known !== undefined && names.some((name) => (known.get(shortName(name)) ?? 0) > nowMs);
  }

  /** The user is here again. */
  forget(aor: Aor, names: readonly string[]): void {
    const known = this.#untilMs.get(aor);
    for (const name of names) known?.delete(shortName(name));
    if (known?.size === 0) this.#untilMs.delete(aor);
  }
}
