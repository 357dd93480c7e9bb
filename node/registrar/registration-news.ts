import type { Aor } from "../../dht-schema/aor.ts";
import type { Binding } from "./binding.ts";
import { isSameBinding } from "./binding.ts";
import type { RegisteredContacts, RegistrationChange } from "./registered-contacts.ts";
import { changesOf } from "./registration-changes.ts";

export type ChangeListener = Parameters<RegisteredContacts["onChange"]>[0];
export type RegistrationListener = Parameters<RegisteredContacts["onRegistration"]>[0];

/** Who is told that users have other contacts, and what has become of each registration. */
export class RegistrationNews {
  readonly #changeListeners = new Set<ChangeListener>();
  readonly #registrationListeners = new Set<RegistrationListener>();

  onChange(listener: ChangeListener): () => void {
    this.#changeListeners.add(listener);
    return () => this.#changeListeners.delete(listener);
  }

  onRegistration(listener: RegistrationListener): () => void {
    this.#registrationListeners.add(listener);
    return () => this.#registrationListeners.delete(listener);
  }

  tell(aor: Aor): void {
    for (const listener of this.#changeListeners) listener(aor);
  }

  tellOf(aor: Aor, binding: Binding, change: RegistrationChange): void {
    for (const listener of this.#registrationListeners) listener(aor, binding, change);
  }

  /** @param ending how the bindings have ended that are there no more */
  tellChange(aor: Aor, before: readonly Binding[], after: readonly Binding[], ending: RegistrationChange): void {
    for (const [binding, change] of changesOf(before, after, ending)) this.tellOf(aor, binding, change);
    const isThere = (binding: Binding) => before.some((old) => isSameBinding(old, binding));
    const isSame = before.length === after.length && after.every(isThere);
    if (!isSame) this.tell(aor);
  }
}
