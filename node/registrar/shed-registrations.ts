import type { Aor } from "../../dht-schema/aor.ts";
import { QueueMap } from "../runtime/queue-map.ts";
import { shortName } from "../runtime/short-name.ts";
import type { Binding } from "./binding.ts";
import { isSameBinding } from "./binding.ts";

/** A registration that was shed. */
export interface ShedNote extends Pick<Binding, "callId" | "expiresAtMs"> {
  /** The last that this server has seen of it; absent where that was before a restart. */
  readonly cseq?: number;
}

/**
 * Remembers which registrations this server has shed because their user went to another server, so that the client's next
 * automatic refresh can be told from a person's choice to come back: a refresh has the Call-ID of the registration that it
 * refreshes (RFC 3261 §10.2), a new choice has another, or was preceded by an un-REGISTER.
 */
export class ShedRegistrations {
  /** By AoR and Call-ID; oldest note first. */
  readonly #notes = new QueueMap<string, Required<Omit<ShedNote, "callId">>>();
  readonly #capacity: number;

  /** @param capacity the oldest note is forgotten above it */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#notes.size;
  }

  /** Notes shed bindings; a note lasts as long as its binding would have, since a refresh can come so long. */
  add(aor: Aor, shed: readonly ShedNote[]): void {
    for (const { callId, expiresAtMs, cseq = 0 } of shed) {
      const key = keyOf(aor, callId);
      const known = this.#notes.get(key) ?? { expiresAtMs, cseq };
      this.#notes.delete(key);
      this.#notes.set(key, {
        expiresAtMs: Math.max(expiresAtMs, known.expiresAtMs),
        cseq: Math.max(cseq, known.cseq),
      });
    }
    while (this.#notes.size > this.#capacity) this.#notes.shift();
  }

  has(aor: Aor, callId: string, nowMs: number): boolean {
    const note = this.#notes.get(keyOf(aor, callId));
    return note !== undefined && note.expiresAtMs > nowMs;
  }

  /** The last CSeq that this server has seen of a shed registration; 0 where it does not know. */
  lastCSeq(aor: Aor, callId: string): number {
    return this.#notes.get(keyOf(aor, callId))?.cseq ?? 0;
  }

  /** The registration is no longer a shed one: it was made anew, or taken back by the client. True when there was a note. */
  forget(aor: Aor, callId: string): boolean {
    return this.#notes.delete(keyOf(aor, callId));
  }

  /** Forgets notes that have run out; true when there were any. */
  expire(nowMs: number): boolean {
    const before = this.#notes.size;
    for (const [key, { expiresAtMs }] of this.#notes.entries()) if (expiresAtMs <= nowMs) this.#notes.delete(key);
    return this.#notes.size < before;
  }
}

/**
 * Registrations whose contact another one has since: of a server without a node, that is all devices of a user but the one that it spoke for last. They go on
 * to be refreshed, and have the user no more than that one when the user has gone.
 */
export function replacedIn(before: readonly Binding[], after: readonly Binding[]): readonly Binding[] {
  return before.filter((old) => after.some((binding) => isSameBinding(binding, old) && binding.callId !== old.callId));
}

const SHORT = 64;

/** An AoR holds no space, so the key is unambiguous; no Call-ID does, so a long one's short name is nobody's own. */
function keyOf(aor: Aor, callId: string): string {
  return callId.length <= SHORT ? `${aor} ${callId}` : `${aor}  ${shortName(callId)}`;
}
