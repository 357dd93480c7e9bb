import type { Aor } from "../../dht-schema/aor.ts";
import type { SoughtRegistration } from "../federation/registration-elsewhere.ts";
import type { ShedStore } from "../storage/ports.ts";
import type { WriteFailures } from "../storage/write-failures.ts";
import type { ShedNote } from "./shed-registrations.ts";
import { ShedRegistrations } from "./shed-registrations.ts";
import type { Instant } from "./stored-binding.ts";

/** {@link ShedRegistrations} that outlive the process: else one refresh could steal a user back after a restart. Their CSeqs do not. A disk that fails is logged. */
export class ShedJournal {
  readonly #notes: ShedRegistrations;
  readonly #store: ShedStore;
  readonly #failures: WriteFailures;

  constructor(store: ShedStore, failures: WriteFailures, capacity: number) {
    this.#notes = new ShedRegistrations(capacity);
    this.#store = store;
    this.#failures = failures;
  }

  /** Takes up the notes of the last run. @param maxSeconds the longest registration there is */
  restore(now: Instant, maxSeconds: number): void {
    this.#attempt(() => this.#store.expire(now.wallMs));
    for (const { aor, callId, expiresAtMs } of this.#store.list()) {
      const leftMs = Math.min(expiresAtMs - now.wallMs, maxSeconds * 1000);
      this.#notes.add(aor, [{ callId, expiresAtMs: now.monotonicMs + leftMs }]);
    }
  }

  add(aor: Aor, shed: readonly ShedNote[], now: Instant): void {
    this.#notes.add(aor, shed);
    for (const { callId, expiresAtMs } of shed) {
      const wallMs = Math.round(now.wallMs + expiresAtMs - now.monotonicMs);
      this.#attempt(() => this.#store.put({ aor, callId, expiresAtMs: wallMs }));
    }
  }

  has(aor: Aor, callId: string, nowMs: number): boolean {
    return this.#notes.has(aor, callId, nowMs);
  }

  /** What tells whether the client of a registration that was shed has been at another server in the meantime. @param cseq by which it has come again */
  sought(aor: Aor, callId: string, cseq: number): SoughtRegistration {
    return { callId, between: [this.#notes.lastCSeq(aor, callId), cseq] };
  }

  forget(aor: Aor, callId: string): void {
    if (!this.#notes.forget(aor, callId)) return;
    this.#attempt(() => this.#store.remove(aor, callId));
  }

  expire(now: Instant): void {
    if (this.#notes.expire(now.monotonicMs)) this.#attempt(() => this.#store.expire(now.wallMs));
  }

  #attempt(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#failures.tell(error, "shed registrations on disk are out of date");
    }
  }
}
