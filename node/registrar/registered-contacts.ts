import type { Aor } from "../../dht-schema/aor.ts";
import type { Flow } from "../sip/stack.ts";

/** Where a user's device can be reached. */
export interface RegisteredContact {
  /** Contact URI as the client gave it. */
  readonly uri: string;
  /** The path it registered over. */
  readonly flow: Flow;
}

/** What presence and messaging see of the registrar: the contacts that live on this server at this instant. */
export interface RegisteredContacts {
  /** Unexpired contacts; empty when there are none. */
  contactsOf(aor: Aor): readonly RegisteredContact[];
  /** Calls `listener` after a contact was added, removed or has expired; not for a mere refresh. Returns how to stop it. */
  onChange(listener: (aor: Aor) => void): () => void;
}
