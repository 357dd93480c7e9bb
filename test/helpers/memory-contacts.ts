import type { Aor } from "../../dht-schema/aor.ts";
import type {
  RegisteredContact,
  RegisteredContacts,
  UsersAtContact,
} from "../../node/registrar/registered-contacts.ts";
import { usersAt } from "../../node/registrar/users-at.ts";

/** Registered contacts that a test puts there. */
export class MemoryContacts implements RegisteredContacts {
  readonly #contacts = new Map<Aor, readonly RegisteredContact[]>();
  readonly #listeners = new Set<(aor: Aor) => void>();
  readonly #registrationListeners = new Set<Parameters<RegisteredContacts["onRegistration"]>[0]>();

  set(aor: Aor, contacts: readonly RegisteredContact[]): void {
    this.#contacts.set(aor, contacts);
    for (const listener of this.#listeners) listener(aor);
    for (const { uri, twin } of contacts) {
      const registration = { uri, twin, callId: "", cseq: 1, expiresAtMs: Infinity, q: 1000 };
      for (const listener of this.#registrationListeners) listener(aor, registration, "registered");
    }
  }

  contactsOf(aor: Aor): readonly RegisteredContact[] {
    return this.#contacts.get(aor) ?? [];
  }

  reconnecting(): [] {
    return [];
  }

  usersAt(contactUri: string): UsersAtContact {
    return usersAt(contactUri, this.#contacts.keys(), {
      contactsOf: (aor) => this.contactsOf(aor),
      isResting: () => false,
    });
  }

  isResting(): boolean {
    return false;
  }

  isSettling(): boolean {
    return false;
  }

  registering(): undefined {
    return undefined;
  }

  settle(): Promise<boolean> {
    return Promise.resolve(true);
  }

  registrationsOf(): [] {
    return [];
  }

  onRegistration(listener: Parameters<RegisteredContacts["onRegistration"]>[0]): () => void {
    this.#registrationListeners.add(listener);
    return () => void this.#registrationListeners.delete(listener);
  }

  onChange(listener: (aor: Aor) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
