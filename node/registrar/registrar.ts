import type { Aor } from "../../dht-schema/aor.ts";
import type { ServerLinks } from "../federation/links.ts";
import type { Locator } from "../federation/locator.ts";
import type { AskRegistration } from "../federation/registration-elsewhere.ts";
import type { ServerAddresses } from "../federation/server-addresses.ts";
import type { Clock } from "../runtime/clock.ts";
import type { ExpiryRules } from "../runtime/expiry-rules.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";
import type { Timers } from "../runtime/timers.ts";
import type { Binding } from "./binding.ts";
import type { RegistrationPolicy } from "./claim-policy.ts";
import type { RegisteringClient } from "./read-register.ts";
import type { RegisteredContacts } from "./registered-contacts.ts";
import type { RestingState } from "./resting-state.ts";
import type { ContactStore, ShedStore, WriteGroup } from "../storage/ports.ts";
import type { Flow, IncomingRequest, SipSessions, SipStack } from "../sip/stack.ts";

export interface RegistrarComponents {
  readonly stack: Pick<SipStack & SipSessions, "hasClosed" | "close">;
  readonly locator: Locator;
  readonly store: ContactStore;
  readonly shed: ShedStore;
  readonly group: WriteGroup;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly counters: Counters;
  /** A link that is up again may be the one to a majority. */
  readonly links: Pick<ServerLinks, "onUp">;
  /** Whether presence still needs the user here when the last contact has gone. */
  readonly hasPublications: (aor: Aor) => boolean;
  /** What presence keeps of users who are not owned at present. */
  readonly resting: () => RestingState;
  readonly askRegistration: AskRegistration;
  /** Names the server without a node that a flow leads to; `undefined`, and by default: a client. Contacts at two places exclude each other. */
  readonly placeOf?: (flow: Flow) => string | undefined;
  /** Where clients reach another server: the Contacts of a redirection. */
  readonly addressesOf: ServerAddresses;
}

export interface RegistrarOptions {
  /** @default "takeover" */
  readonly policy?: RegistrationPolicy;
  readonly expiry?: Partial<ExpiryRules>;
  /** Devices of one user; one more gets 403. @default 16 */
  readonly maxContacts?: number;
}

/** Counts for operators; see the counters `registrar.*` for what happened since start. */
export interface RegistrarStatus {
  readonly users: number;
  readonly contacts: number;
  /** Users with contacts here who are not owned at present and will be claimed again. */
  readonly reclaiming: number;
}

/** The registrar of one node. @see RFC 3261 §10.3 */
export interface Registrar extends RegisteredContacts {
  /** Restores the contacts of the last run and begins to claim their users again. */
  start(): void;
  /** Contacts stay stored; from now on every REGISTER gets 503. */
  stop(): void;
  /** A REGISTER for a user whom the edge has authenticated. Every request is answered. */
  handleRegister(incoming: IncomingRequest, aor: Aor, client?: RegisteringClient): void;
  /** A REGISTER of another server, which may ask but not bind: answered with the epoch of the newest registration here. */
  handleServerQuery(incoming: IncomingRequest, aor: Aor): void;
  /** A stream connection is gone: contacts that can only be reached over it are removed. */
  handleFlowClosed(flow: Flow): void;
  /** As {@link RegisteredContacts.registrationsOf}, with all that is known of each. */
  registrationsOf(aor: Aor): readonly Binding[];
  /**
   * Removes contacts as an un-REGISTER would, for an operator: their devices are told `deactivated` and may register again. The user is let go of with the last one.
   * @param uri as the device gave it; all without it
   * @returns the URIs of those that were removed
   * @throws {OperationalError} `NOT_STORED`; nothing has changed
   */
  removeContacts(aor: Aor, uri?: string): Promise<readonly string[]>;
  status(): RegistrarStatus;
}
