import type { Aor } from "../../dht-schema/aor.ts";
import type { Binding } from "./binding.ts";

/**
 * Remembers which registrations this server has shed because their user went to another server, so that the client's next
 * automatic refresh can be told from a person's choice to come back: a refresh has the Call-ID of the registration that it
 * refreshes (RFC 3261 §10.2), a new choice has another, or was preceded by an un-REGISTER.
 */
export class ShedRegistrations {
  /** Expiry of the shed registration by AoR and Call-ID; oldest note first. */
  readonly #untilMs = new Map<string, number>();
  /** One iterator for good: one begun anew would pass over all that were deleted before it. */
  readonly #oldest = this.#untilMs.keys();
  readonly #capacity: number;

  /** @param capacity the oldest note is forgotten above it */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#untilMs.size;
  }

  /** Notes shed bindings; a note lasts as long as its binding would have, since a refresh can come so long. */
  add(aor: Aor, bindings: readonly Pick<Binding, "callId" | "expiresAtMs">[]): void {
    for (const { callId, expiresAtMs } of bindings) {
      const key = keyOf(aor, callId);
      const untilMs = Math.max(expiresAtMs, this.#untilMs.get(key) ?? expiresAtMs);
      this.#untilMs.delete(key);
      this.#untilMs.set(key, untilMs);
    }
    while (this.#untilMs.size > this.#capacity) this.#untilMs.delete(this.#oldest.next().value as string);
  }

  has(aor: Aor, callId: string, nowMs: number): boolean {
    const untilMs = this.#untilMs.get(keyOf(aor, callId));
    return untilMs !== undefined && untilMs > nowMs;
  }

  /** The registration is no longer a shed one: it was made anew, or taken back by the client. True when there was a note. */
  forget(aor: Aor, callId: string): boolean {
    return this.#untilMs.delete(keyOf(aor, callId));
  }

  /** Forgets notes that have run out; true when there were any. */
  expire(nowMs: number): boolean {
    const before = this.#untilMs.size;
    for (const [key, untilMs] of this.#untilMs) if (untilMs <= nowMs) this.#untilMs.delete(key);
    return this.#untilMs.size < before;
  }
}

/** An AoR holds no space, so the key is unambiguous. */
function keyOf(aor: Aor, callId: string): string {
  return `${aor} ${callId}`;
}
