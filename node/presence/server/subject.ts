import type { Aor } from "../../../dht-schema/aor.ts";
import type { Epoch } from "../../../dht-schema/ballot.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import type { Shown } from "../subscription/notifier-dialog.ts";
import type { Subscription } from "./subscription.ts";

/** Who subscribed: a client's user, or another server for its clients, under the epoch in which it did. */
export type Subscriber =
  | { readonly kind: "watcher"; readonly aor: Aor }
  | { readonly kind: "peer"; readonly server: ServerId; readonly epoch: Epoch };

/** What a NOTIFY carries. */
export interface Content {
  readonly contentType: string;
  readonly body: Uint8Array;
  readonly headers?: ReadonlyArray<readonly [name: string, value: string]>;
}

/** Which part of the state a NOTIFY is to carry. */
export interface ContentRequest {
  /** The subscriber has this version; absent: it is to get all. */
  readonly since?: number;
  /** Of this NOTIFY within the subscription, from 0: the version of documents that count theirs. */
  readonly sequence: number;
}

/** What a subscription is a subscription to. */
export interface Subject {
  readonly aor: Aor;
  /** The event package, as in Event. */
  readonly event: string;
  /** It stands for several resources. @see RFC 4662 */
  readonly isList?: true;
  /** Further fields of the answers to SUBSCRIBE. */
  readonly answerHeaders?: ReadonlyArray<readonly [name: string, value: string]>;
  /** What this subscriber is to see now; `undefined` while there is nothing to say. */
  shownTo(subscriber: Subscriber): Shown | undefined;
  /** Names that state: the same on every server and after a restart. A subject without it has no conditional notification. @see RFC 5839 */
  entityTag?(subscriber: Subscriber): string | undefined;
  /** The same as a body; `undefined` for none. */
  content(subscriber: Subscriber, request: ContentRequest): Content | undefined;
  /**
   * Asked before each NOTIFY that shows state, because a lease may have run out since the state was shown.
   * False: this subscription has been terminated.
   */
  mayShow(subscriber: Subscriber): boolean;
  /** The subscriber has refreshed, and is about to be told all. */
  refreshed?(): void;
  /** A subscription has been told `active`, or something else has changed in what it is. */
  standingChanged?(subscription: Subscription): void;
  ended(subscription: Subscription): void;
}
