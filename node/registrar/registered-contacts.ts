import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import type { Flow } from "../sip/stack.ts";
import type { DeviceOrigin } from "./device-origin.ts";

/** Where a user's device can be reached. */
export interface RegisteredContact {
  /** Contact URI as the client gave it. */
  readonly uri: string;
  /** The path it registered over. */
  readonly flow: Flow;
  /** Route that requests to it take from the other end of the flow, first hop first; absent where the device is there. @see RFC 3327 */
  readonly path?: readonly string[];
  /** `+sip.instance`, else empty: names the device across its restarts. @see RFC 5626 §4.1 */
  readonly instance?: string;
  /** Of one instance and `reg-id` there is one binding; absent where the device gave none. @see RFC 5626 §6 */
  readonly regId?: number;
  /** Of another device of the user with the same Contact: tells the two apart. @see {@link areTwins} */
  readonly twin?: string | undefined;
  /** Where its last REGISTER came from; absent where an older release stored it. */
  readonly origin?: DeviceOrigin | undefined;
  /** The epoch under which it was registered or refreshed last, where that is known. */
  readonly epoch?: Epoch | undefined;
}

/** What a registration is told by. */
export interface Registration {
  /** Contact URI as the client gave it. */
  readonly uri: string;
  readonly callId: string;
  readonly cseq: number;
  /** On the monotonic clock of this process. */
  readonly expiresAtMs: number;
  /** Preference, 0–1000. */
  readonly q: number;
  /** As {@link RegisteredContact.twin}. */
  readonly twin?: string | undefined;
}

/** What happened to a contact. `deactivated`: this server gave it up. @see RFC 3680 §5.3.1 */
export type RegistrationChange = "registered" | "refreshed" | "shortened" | "expired" | "deactivated" | "unregistered";

/** Mostly one user; of each kind no more than `limits.registrar.usersAtContact`. */
export interface UsersAtContact {
  /** Have registered it, whatever its parameters. */
  readonly same: readonly Aor[];
  /** Have registered one of the same user and host, but another port: clients that connect over TCP may write one there and another one in sessions. */
  readonly near: readonly Aor[];
  /** Others may have, of whom it is still to be found out whether they can be taken back. */
  readonly unsure?: true;
}

/** What presence and messaging see of the registrar: the contacts that live on this server at this instant. */
export interface RegisteredContacts {
  /** Unexpired contacts that SIP reaches; empty when there are none. */
  contactsOf(aor: Aor): readonly RegisteredContact[];
  /** Those whose connection has ended a moment ago, and who may be there again: nothing can be sent to them. */
  reconnecting(aor: Aor): readonly RegisteredContact[];
  /** Users who have a device here with this Contact. */
  usersAt(contactUri: string): UsersAtContact;
  /** Calls `listener` after a contact was added, removed or has expired; not for a mere refresh. Returns how to stop it. */
  onChange(listener: (aor: Aor) => void): () => void;
  /** Whether anything is kept here of a user who is not owned, until it is found out whether they can be taken back. */
  isResting(aor: Aor): boolean;
  /** Whether that is being found out at this moment. */
  isSettling(aor: Aor): boolean;
  /** Where nobody is registered and a REGISTER of the user is under way: waits for it, for a moment. Another server may hear of the user's new owner before that has bound the contact. */
  registering(aor: Aor): Promise<void> | undefined;
  /**
   * Finds out about what is kept here of a user who is not owned, after a restart or because the directory could not be reached: the user
   * is taken back, or what is kept is shed because it is out of date. Does nothing where nothing is kept.
   * @returns false when the directory cannot be reached for now
   */
  settle(aor: Aor): Promise<boolean>;
  /** What is bound: what SIP does not reach, too (RFC 3261 §10.2.1 allows any URI), also while the user is being claimed again after a restart. */
  registrationsOf(aor: Aor): readonly Registration[];
  /** Calls `listener` after each change of a contact, refreshes included. Returns how to stop it. */
  onRegistration(listener: (aor: Aor, registration: Registration, change: RegistrationChange) => void): () => void;
}
