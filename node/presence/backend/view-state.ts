import type { Epoch } from "../../../dht-schema/ballot.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";

/** Who owns the user, and under which epoch. */
export interface Owner {
  readonly server: ServerId;
  readonly epoch: Epoch;
}

/**
 * Where a view stands. What watchers were shown last is kept apart from it: it outlives moves and deaths.
 * `call` names a back-end subscription; each new one has another number.
 */
export type ViewState =
  /** The directory has not answered yet. */
  | { readonly kind: "locating" }
  /** Nobody owns the user; the directory will tell. */
  | { readonly kind: "held" }
  /** SUBSCRIBE is under way or accepted; what counts is the first document. */
  | {
      readonly kind: "subscribing";
      readonly owner: Owner;
      readonly call: number;
      readonly attempt: number;
      readonly giveUpAtMs: number;
      /** As the owner granted, once it has. */
      readonly expiresSeconds?: number;
      /** The directory knows of no owner: this is whom it knew before. */
      readonly isQuestion?: true;
    }
  | { readonly kind: "active"; readonly owner: Owner; readonly call: number; readonly refreshAtMs: number }
  /** Between owners, or between two tries: at `atMs` subscribe to `to`, or ask where the user is when that is not known; `lookups` have not told so far. */
  | {
      readonly kind: "moving";
      readonly to?: Owner;
      readonly atMs: number;
      readonly attempt: number;
      readonly lookups: number;
    }
  /** Nobody owns the user any more; watchers still see the last document. */
  | { readonly kind: "orphaned"; readonly closeAtMs: number }
  /** This server is the owner. */
  | { readonly kind: "here"; readonly epoch: Epoch }
  /** The last watcher has left. */
  | { readonly kind: "closed" };

export type ViewEffect =
  /** New dialog with the owner. `isQuestion`: with the owner of before, needless where that server has just said that it has users to take up again. */
  | { readonly kind: "subscribe"; readonly call: number; readonly owner: Owner; readonly isQuestion?: true }
  /** SUBSCRIBE within it. */
  | { readonly kind: "refresh"; readonly call: number }
  /** SUBSCRIBE with Expires 0 within it; whatever comes back does not matter. */
  | { readonly kind: "unsubscribe"; readonly call: number }
  /** Forget the dialog: its other end is gone, or ends it itself. */
  | { readonly kind: "forget"; readonly call: number }
  /** Ask the directory, and report by `located`, with the newest epoch that was known when it was asked. */
  | { readonly kind: "locate"; readonly known: Epoch | undefined }
  /** Show watchers the owner's document. */
  | { readonly kind: "show"; readonly document: Uint8Array }
  /** Show watchers that the user is nowhere: those who have seen the user as a change, the others as pending. */
  | { readonly kind: "show-closed" }
  /** Show watchers the local composition, from now on. */
  | { readonly kind: "show-own" };

/** How an owner answered SUBSCRIBE. */
export type SubscribeResult =
  | { readonly kind: "accepted"; readonly expiresSeconds: number }
  /** It does not own the user; `owner` is whom it handed the user to. */
  | { readonly kind: "not-owner"; readonly epoch: Epoch; readonly owner?: ServerId }
  /** `isFull`: it has the user, and no room. `isSettling`: it finds out at this moment whether it owns the user. `isCutOff`: the link to it broke meanwhile. */
  | {
      readonly kind: "failed";
      readonly retryAfterSeconds?: number;
      readonly isFull?: true;
      readonly isSettling?: true;
      readonly isCutOff?: true;
    };

/** An owner's document. */
export interface OwnerDocument {
  readonly document: Uint8Array;
  /** The epoch under which the user's clients last said what it is made of; absent where its owner does not tell. */
  readonly said?: Epoch | undefined;
}

/** What an owner's NOTIFY says, once it has passed the fence (I3). */
export type NotifyContent =
  | ({ readonly kind: "state"; readonly expiresSeconds?: number } & Partial<OwnerDocument>)
  | { readonly kind: "terminated"; readonly reason: string; readonly retryAfterSeconds?: number };

/** When an event happens, with a random fraction in [0, 1) for whatever has to be spread. */
export interface Instant {
  readonly nowMs: number;
  readonly random: number;
  /** This server is about to take the user up again: "nobody" will not last. */
  readonly isExpected?: boolean;
  /** Until then the server that had the user last may be restarting, as it has said of other users. */
  readonly restartUntilMs?: number;
}

/** Times of a view, all in ms. */
export interface BackendTimes {
  /** For how long a first watcher is left without an answer while the user is being looked for. */
  readonly settleMs: number;
  /** How long the last document stands while the directory says "nobody". */
  readonly orphanGraceMs: number;
  /** For how long after a restart of this server, after the owner said that it restarts, or after the link to it was lost and is back, "nobody" may mean that the user's server will be back: watchers are left with what they saw before. */
  readonly restoreGraceMs: number;
  /** How long what the user said earlier, on another server, waits behind what watchers have seen already. */
  readonly staleMs: number;
  /** Re-subscriptions after a move are spread over this. */
  readonly resubscribeJitterMs: number;
  /** An owner that has not sent a document by then is asked anew. */
  readonly firstDocumentMs: number;
  /** First delay between tries; it doubles up to `retryMaxMs`. */
  readonly retryMs: number;
  readonly retryMaxMs: number;
}
