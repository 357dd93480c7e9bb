import type { Aor } from "../../../dht-schema/aor.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import type { Locator } from "../../federation/locator.ts";
import type { UserTimes } from "../../federation/user-times.ts";
import type { RegistrationPolicy } from "../../registrar/claim-policy.ts";
import type { RegisteredContacts } from "../../registrar/registered-contacts.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { limits } from "../../runtime/limits.ts";
import type { Logger } from "../../runtime/logger.ts";
import type { Counters } from "../../runtime/metrics.ts";
import type { Timers } from "../../runtime/timers.ts";
import type { WorkWindow } from "../../runtime/work-window.ts";
import type { Flow, SipSessions, SipStack } from "../../sip/stack.ts";
import type { Scheduler } from "../../runtime/scheduler.ts";
import type { BackendTimes } from "../backend/view-state.ts";
import type { ExpiryRules } from "../../runtime/expiry-rules.ts";
import { DEFAULT_EXPIRY } from "../../runtime/expiry-rules.ts";
import type { Pace } from "../subscription/pacer.ts";
import type { Storage } from "../../storage/ports.ts";
import type { FanOut } from "./fan-out.ts";
import type { PublicationJournal } from "./publication-journal.ts";
import type { SubscriptionJournal } from "./subscription-journal.ts";

/** Tells when a server can be reached again over the mesh. */
export interface PeerLinks {
  /** Calls `listener` whenever a link to a server is up, for the first time or again. Returns how to stop it. */
  onUp(listener: (server: ServerId) => void): () => void;
}

/** What the presence server works with. */
export interface PresenceComponents {
  readonly stack: Pick<SipStack & SipSessions, "send" | "hasClosed">;
  readonly locator: Locator;
  readonly contacts: RegisteredContacts;
  readonly links: PeerLinks;
  /** What outlives the process. */
  readonly storage: Pick<Storage, "publications" | "subscriptions" | "lists" | "group">;
  readonly clock: Clock;
  readonly timers: Timers;
  /** In [0, 1). */
  readonly random: () => number;
  readonly logger: Logger;
  readonly counters: Counters;
  /** Counts for watchers what is done for them. @default nobody does */
  readonly userTimes?: Pick<UserTimes, "during">;
  /** URI at which a client that came by this socket flow reaches this server: the Contact of our side of a dialog. */
  readonly contactFor: (flow: Flow) => string;
}

/** Terms and delays; everything has a default that suits a real deployment. */
export interface PresenceTimes {
  /** @default DEFAULT_EXPIRY */
  readonly publication: ExpiryRules;
  /** @default DEFAULT_EXPIRY */
  readonly subscription: ExpiryRules;
  /** Of the NOTIFYs to one watcher that only tell of a change. @default ten in a row, then one in 5 s */
  readonly pace: Pace;
  readonly backend: BackendTimes;
  /** Asked of owners. @default an hour */
  readonly backendExpiresSeconds: number;
  /** @see OwnPresenceInit.openingMs @default 1000 */
  readonly openingMs: number;
  /** How long after its last publication a user without contact is released: a REGISTER may be under way. @default 5000 */
  readonly releaseAfterMs: number;
  /** How long `stop` tells other servers, and waits for the answers to its last NOTIFYs. @default 2000 */
  readonly drainMs: number;
}

/** The times that are used where none are given. */
export const DEFAULT_PRESENCE_TIMES: PresenceTimes = {
  publication: DEFAULT_EXPIRY,
  subscription: DEFAULT_EXPIRY,
  pace: { burst: 10, intervalMs: 5000 },
  backend: {
    settleMs: 500,
    orphanGraceMs: 2000,
    restoreGraceMs: 20_000,
    staleMs: 20_000,
    resubscribeJitterMs: 50,
    firstDocumentMs: 5000,
    retryMs: 20,
    retryMaxMs: 30_000,
  },
  backendExpiresSeconds: 3600,
  openingMs: 1000,
  releaseAfterMs: 5000,
  drainMs: 2000,
};

/** Bounds of the whole server, from `limits.presence` where a test gives no lower ones. */
export type PresenceBounds = Pick<
  Record<keyof typeof limits.presence, number>,
  | "watchersPerUser"
  | "subscriptions"
  | "subscriptionsPerUser"
  | "publishesWaiting"
  | "listMembers"
  | "listMembersPerUser"
>;

/** What the drivers of one presence server share. */
export interface PresenceContext extends PresenceComponents {
  readonly userTimes: Pick<UserTimes, "during">;
  readonly times: PresenceTimes;
  readonly bounds: PresenceBounds;
  /** Whether a client that publishes brings a user here whom another server has: as one that registers does. */
  readonly policy: RegistrationPolicy;
  /** Everything that expires, on one timer. */
  readonly scheduler: Scheduler;
  readonly fanOut: FanOut;
  /** Servers that have said of a user that they restart, and until when they may be back with all of theirs. */
  readonly restarts: Map<ServerId, number>;
  /** For lookups of watched users. */
  readonly lookups: WorkWindow<Aor>;
  /** For SUBSCRIBEs that begin a dialog with an owner. */
  readonly backendSubscribes: WorkWindow<Aor>;
  readonly journal: SubscriptionJournal;
  readonly publications: PublicationJournal;
}

/** Contact of our side of a dialog. Within the mesh the flow alone says where to go, so there the user's address does. */
export function contactFor(context: PresenceContext, flow: Flow, aor: Aor): string {
  return flow.transport === "MESH" ? aor : context.contactFor(flow);
}

/** Names a socket so that a publication can be matched with the contact of the same device. */
export function pathOf(flow: Flow): string {
  return flow.transport === "MESH"
    ? `MESH ${flow.server}`
    : `${flow.transport} ${flow.address} ${flow.port} ${flow.connection ?? ""}`;
}
