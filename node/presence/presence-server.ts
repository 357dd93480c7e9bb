import type { Aor } from "../../dht-schema/aor.ts";
import type { RequestIdentity } from "../federation/identity.ts";
import type { RestingState } from "../registrar/resting-state.ts";
import type { IncomingRequest } from "../sip/stack.ts";

/** Counts for operators; see the counters `presence.*` for what happened since start. */
export interface PresenceStatus {
  /** Users whose presence this server composes. */
  readonly presentities: number;
  readonly publications: number;
  /** Dialogs of clients of this server. */
  readonly watchers: number;
  /** Dialogs of other servers that watch users of this one. */
  readonly peerSubscriptions: number;
  /** Users that clients of this server watch, by the state of the back-end subscription. */
  readonly views: Readonly<Record<string, number>>;
}

/**
 * The presence service of one node: event state compositor, notifier of its clients' subscriptions, and subscriber to
 * the owners of the users they watch. The edge has authenticated what it hands over, and knows the domain: a request
 * outside a dialog arrives here only if its Request-URI names a user of this domain. Every request is answered.
 */
export interface PresenceServer {
  start(): void;
  /**
   * Leaves clients' subscriptions on disk, where the next run of this process takes them up, ends those of other servers
   * (`terminated;reason=deactivated`), and resolves when these have answered, or a moment later.
   * @param options.forGood there will be no next run: clients' subscriptions are ended in the same way, so that they come again elsewhere
   */
  stop(options?: { readonly forGood?: boolean }): Promise<void>;
  /** Any PUBLISH. @see RFC 3903 */
  handlePublish(incoming: IncomingRequest, identity: RequestIdentity): void;
  /** Any SUBSCRIBE, within a dialog or not; an event package other than `presence` gets 489. @see RFC 3856 */
  handleSubscribe(incoming: IncomingRequest, identity: RequestIdentity): void;
  /** Any NOTIFY: only another server's, within a back-end subscription, is expected; others get 481. */
  handleNotify(incoming: IncomingRequest, identity: RequestIdentity): void;
  /**
   * Whether a publication of the user lives here: who releases users when their last contact is gone asks first.
   * When the last publication ends and no contact is registered, presence releases the user itself.
   */
  hasPublications(aor: Aor): boolean;
  /** Publications of users who are not owned at present: the registrar claims their users again. */
  readonly resting: RestingState;
  status(): PresenceStatus;
}
