import type { Aor } from "../../../dht-schema/aor.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { epochIn, notOwner } from "../../federation/aorta-headers.ts";
import type { RequestIdentity } from "../../federation/identity.ts";
import type { SipHeaders } from "../../sip/message/headers.ts";
import type { Answer } from "../answer.ts";
import { unavailable } from "../answer.ts";
import type { SubscribeRequest } from "../subscription/read-subscribe.ts";
import type { RestoredSubscription } from "../subscription/stored-subscription.ts";
import type { PresenceContext } from "./presence-context.ts";
import type { Registry } from "./registry.ts";
import type { Subject, Subscriber } from "./subject.ts";
import type { Subscription } from "./subscription.ts";

/** What a subscription is to be to, and by whom. */
export interface Admission {
  readonly subject: Subject;
  readonly subscriber: Subscriber;
  /** The subscription exists, and its SUBSCRIBE has been answered. */
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

/** How long a subscriber is told to wait when this server is full. */
export const RETRY_SECONDS = 30;

/** Finds the subject of a subscription, or the reason why there is none to be had. */
export class Admissions {
  readonly #context: PresenceContext;
  readonly #registry: Registry;

  constructor(context: PresenceContext, registry: Registry) {
    this.#context = context;
    this.#registry = registry;
  }

  admit(applicant: Applicant): Admission | { readonly refuse: Answer } {
    return applicant.from === "client" ? this.#watcher(applicant) : this.#peer(applicant, applicant.from.server);
  }

  /** The subject of a subscription from an earlier run. */
  readmit({ aor, subscriber }: RestoredSubscription): Admission {
    const watched = this.#registry.presentity(aor).watchedBy(subscriber, true);
    return {
      subject: watched,
      subscriber: { kind: "watcher", aor: subscriber },
      join: (subscription) => watched.addWatcher(subscription),
    };
  }

  #watcher({ aor, asserted }: Applicant): Admission | { readonly refuse: Answer } {
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
