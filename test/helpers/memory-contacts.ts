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

  set(aor: Aor, contacts: readonly RegisteredContact[]): void {
    this.#contacts.set(aor, contacts);
    for (const listener of this.#listeners) listener(aor);
  }

  contactsOf(aor: Aor): readonly RegisteredContact[] {
    return this.#contacts.get(aor) ?? [];
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

  settle(): Promise<boolean> {
    return Promise.resolve(true);
  }

  registrationsOf(): [] {
    return [];
  }

  onRegistration(): () => void {
    return () => {};
  }

  onChange(listener: (aor: Aor) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
