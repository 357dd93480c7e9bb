import type { Aor } from "../../../dht-schema/aor.ts";
import { NO_BALLOT } from "../../../dht-schema/ballot.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { epochIn, notOwner } from "../../federation/aorta-headers.ts";
import type { RequestIdentity } from "../../federation/identity.ts";
import type { SipHeaders } from "../../sip/message/headers.ts";
import type { Answer } from "../answer.ts";
import { PRESENCE_EVENT, REG_EVENT, unavailable, WINFO_EVENT } from "../answer.ts";
import { EVENTLIST } from "../lists/extensions.ts";
import type { Expansion } from "../lists/expand-list.ts";
import { expandList } from "../lists/expand-list.ts";
import type { SubscribeRequest } from "../subscription/read-subscribe.ts";
import type { RestoredSubscription } from "../subscription/stored-subscription.ts";
import type { ListSource } from "./list-subject.ts";
import { ListSubject } from "./list-subject.ts";
import type { PresenceContext } from "./presence-context.ts";
import type { Registry } from "./registry.ts";
import type { Subject, Subscriber } from "./subject.ts";
import type { Subscription } from "./subscription.ts";

/** What a subscription is to be to, and by whom. */
export interface Admission {
  readonly subject: Subject;
  readonly subscriber: Subscriber;
  /** The subscription exists. To be called in the turn of the event loop in which it was admitted. */
  join(subscription: Subscription): void;
}

/** A SUBSCRIBE that would make a subscription. */
export interface Applicant {
  readonly request: SubscribeRequest;
  readonly headers: SipHeaders;
  /** What it is to. */
  readonly aor: Aor;
  /** On whose behalf. */
  readonly asserted: Aor;
  readonly from: RequestIdentity["from"];
}

/** @see RFC 4662 §4.1 */
const NEEDS_LISTS: Answer = { status: 421, reason: "Extension Required", headers: [["Require", EVENTLIST]] };
const LIST_TOO_LARGE: Answer = { status: 413, reason: "List Too Large" };
/** The user has as much as one may have: another server has no more to give, and to wait helps only if some of it ends. */
const OVER_SHARE: Answer = {
  status: 403,
  reason: "Too Many Subscriptions",
  headers: [["Warning", '399 aorta "This user watches as much as one user may: some of it has to end first"']],
};
const FORBIDDEN: Answer = { status: 403, reason: "Forbidden" };

/** The user is being taken up again: another server may ask anew as soon as it likes. */
const NOT_YET: Answer = { status: 503, reason: "Service Unavailable" };

/** How long another server is told to wait for a user who is about to be taken up again. */
const RESTING_SECONDS = 10;

/** How long a subscriber is told to wait when this server is full. */
const RETRY_SECONDS = 30;

/** Of another server: 503 would say that this one is taking its users up. */
const FULL_FOR_SERVERS: Answer = { ...unavailable(RETRY_SECONDS), status: 480, reason: "Too Many Subscriptions" };

/** Finds the subject of a subscription, or the reason why there is none to be had. */
export class Admissions {
  readonly #context: PresenceContext;
  readonly #registry: Registry;

  constructor(context: PresenceContext, registry: Registry) {
    this.#context = context;
    this.#registry = registry;
  }

  admit(applicant: Applicant): Admission | { readonly refuse: Answer } {
    const { event } = applicant.request;
    if (event === REG_EVENT) return this.#registrations(applicant);
    if (applicant.from === "client") return event === WINFO_EVENT ? this.#user(applicant) : this.#watcher(applicant);
    const { server } = applicant.from;
    return event === WINFO_EVENT ? this.#owner(applicant, server) : this.#peer(applicant, server);
  }

  /** Why there is no room for one more subscription; `undefined` if there is. */
  problemOf({ request, aor, asserted, from }: Omit<Applicant, "headers">): Answer | undefined {
    const { subscriptions, subscriptionsPerUser } = this.#context.bounds;
    const isFull = this.#registry.subscriptionCount >= subscriptions;
    if (from !== "client") {
      if (!isFull) return undefined;
      // Who asks in vain whether the user is still here would show what was for as long as there is no room.
      const isElsewhere = request.event === PRESENCE_EVENT && !this.#mayBeHere(aor);
      return isElsewhere ? notOwner(aor, this.#context.locator) : FULL_FOR_SERVERS;
    }
    if (isFull) return unavailable(RETRY_SECONDS);
    return this.#registry.subscriptionsOf(asserted) >= subscriptionsPerUser ? this.#overShare() : undefined;
  }

  #mayBeHere(aor: Aor): boolean {
    const { locator, contacts } = this.#context;
    return locator.owned(aor) !== undefined || contacts.isResting(aor) || contacts.isSettling(aor);
  }

  #overShare(): Answer {
    this.#context.counters.add("presence.over_share");
    return OVER_SHARE;
  }

  /** A list that the request brings, or a stored one. */
  #list(aor: Aor, subscriber: Aor, members?: readonly Aor[]): Admission | { readonly refuse: Answer } {
    const expansion = this.#expand(aor, members);
    if (expansion.kind === "too-large") return { refuse: LIST_TOO_LARGE };
    const { listMembers, listMembersPerUser } = this.#context.bounds;
    const more = expansion.members.length;
    if (this.#registry.listMemberCount + more > listMembers) return { refuse: unavailable(RETRY_SECONDS) };
    if (this.#registry.listMembersOf(subscriber) + more > listMembersPerUser) return { refuse: this.#overShare() };
    return joining(this.#listSubject(aor, subscriber, members), { kind: "watcher", aor: subscriber });
  }

  #listSubject(aor: Aor, subscriber: Aor, members: readonly Aor[] | undefined): ListSubject {
    const source: ListSource = () => {
      if (members === undefined && this.#context.storage.lists.get(aor)?.owner !== subscriber) return undefined;
      const expansion = this.#expand(aor, members);
      return expansion.kind === "members" ? expansion.members : undefined;
    };
    return new ListSubject(this.#context, this.#registry, { aor, subscriber, source });
  }

  #expand(aor: Aor, members: readonly Aor[] | undefined): Expansion {
    const { lists } = this.#context.storage;
    if (members !== undefined) return expandList(members, () => undefined);
    return expandList(lists.get(aor)?.members ?? [], (uri) => lists.get(uri)?.members, aor);
  }

  /** The subject of a subscription from an earlier run. */
  readmit({ event, aor, subscriber, fields }: RestoredSubscription): Admission {
    const by = { kind: "watcher", aor: subscriber } as const;
    if (event === REG_EVENT) return joining(this.#registry.registrations(aor), by);
    if (event === WINFO_EVENT) return joining(this.#registry.presentity(aor).watchers("everywhere", true), by);
    const { members, isList } = fields;
    if (isList === true) {
      const subject = this.#listSubject(aor, subscriber, members as readonly Aor[] | undefined);
      return { subject, subscriber: by, join: (subscription) => subject.add(subscription, true) };
    }
    const watched = this.#registry.presentity(aor).watchedBy(subscriber, true);
    return {
      subject: watched,
      subscriber: by,
      join: (subscription) => watched.addWatcher(subscription),
    };
  }

  /** Whom the user's registrations concern: the user, and the servers of the domain. @see RFC 3680 §4.6 */
  #registrations({ aor, asserted, from }: Applicant): Admission | { readonly refuse: Answer } {
    if (from === "client") {
      if (asserted !== aor) return { refuse: FORBIDDEN };
      return joining(this.#registry.registrations(aor), { kind: "watcher", aor: asserted });
    }
    const epoch = this.#context.locator.newestEpoch(aor) ?? NO_BALLOT;
    return joining(this.#registry.registrations(aor), { kind: "peer", server: from.server, epoch });
  }

  /** Who watches is for the user alone to know. @see RFC 3857 §4.6 */
  #user({ aor, asserted }: Applicant): Admission | { readonly refuse: Answer } {
    if (asserted !== aor) return { refuse: FORBIDDEN };
    return joining(this.#registry.presentity(aor).watchers("everywhere"), { kind: "watcher", aor });
  }

  /** The user's owner asks who watches the user here: it says under which epoch it is the owner. */
  #owner({ aor, headers }: Applicant, server: ServerId): Admission | { readonly refuse: Answer } {
    const { locator } = this.#context;
    const epoch = epochIn(headers);
    if (epoch === undefined || !locator.observeEpoch(aor, epoch)) return { refuse: notOwner(aor, locator) };
    return joining(this.#registry.presentity(aor).watchers("here"), { kind: "peer", server, epoch });
  }

  #watcher({ request, aor, asserted }: Applicant): Admission | { readonly refuse: Answer } {
    const list = request.members === undefined ? this.#context.storage.lists.get(aor) : undefined;
    if (request.members !== undefined || list !== undefined) {
      if (list !== undefined && list.owner !== asserted) return { refuse: FORBIDDEN };
      return request.supportsLists ? this.#list(aor, asserted, request.members) : { refuse: NEEDS_LISTS };
    }
    const watched = this.#registry.presentity(aor).watchedBy(asserted);
    if (watched.watcherCount >= this.#context.bounds.watchersPerUser) return { refuse: unavailable(RETRY_SECONDS) };
    return {
      subject: watched,
      subscriber: { kind: "watcher", aor: asserted },
      join: (subscription) => watched.addWatcher(subscription),
    };
  }

  /** Another server watches a user for its clients: only the user's owner may say anything. */
  #peer({ aor, headers }: Applicant, server: ServerId): Admission | { readonly refuse: Answer } {
    const { locator } = this.#context;
    // The subscriber may know of an owner after us: then we are none.
    const believed = epochIn(headers);
    if (believed !== undefined) locator.observeEpoch(aor, believed);
    const presentity = this.#registry.presentity(aor);
    const epoch = presentity.check();
    if (epoch === undefined) {
      presentity.settle();
      const { contacts } = this.#context;
      // Replicas may have told it of an owner who has not heard of it yet: they will not tell again, and it is about to be true.
      if (contacts.isSettling(aor)) return { refuse: NOT_YET };
      // It need not ask again and again: its watch tells when the user is owned here.
      if (contacts.isResting(aor)) return { refuse: unavailable(RESTING_SECONDS) };
      return { refuse: notOwner(aor, locator) };
    }
    const { served } = presentity;
    return {
      subject: served,
      subscriber: { kind: "peer", server, epoch },
      join(subscription) {
        served.addPeer(server, subscription);
        presentity.settle();
      },
    };
  }
}

function joining(subject: Subject & { add(subscription: Subscription): void }, subscriber: Subscriber): Admission {
  return { subject, subscriber, join: (subscription) => subject.add(subscription) };
}
