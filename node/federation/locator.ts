import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import type { ServerId } from "../../dht-schema/roster.ts";

/** How to claim: `take-over` asks a live owner to hand over; `if-free` leaves it alone. */
export type ClaimMode = "take-over" | "if-free";

export type ClaimOutcome =
  /** This server owns the user; `from` is the server that handed over. */
  | { readonly kind: "owned"; readonly epoch: Epoch; readonly from?: ServerId }
  /** Another server owns the user (only when the mode is `if-free`). */
  | { readonly kind: "owned-elsewhere"; readonly owner: ServerId; readonly epoch: Epoch }
  /** Nobody owns the user, but another server has since the epoch asked for (only with `since`). */
  | { readonly kind: "superseded"; readonly epoch: Epoch }
  /** No majority answered in time: whether the claim took effect is unknown, and it can be tried again. */
  | { readonly kind: "unavailable"; readonly reason: string };

export interface ClaimOptions {
  readonly mode: ClaimMode;
  /**
   * For who goes on from what it had before: the epoch under which that was. Where another server has owned the user since and nobody
   * does now, the claim ends as `superseded`, as far as the directory remembers.
   */
  readonly since?: Epoch | undefined;
  readonly signal?: AbortSignal;
}

export type Location =
  | { readonly kind: "here"; readonly epoch: Epoch }
  | { readonly kind: "server"; readonly server: ServerId; readonly epoch: Epoch }
  | { readonly kind: "nobody" }
  | { readonly kind: "unavailable"; readonly reason: string };

/** What a watch tells. Every change of owner is told, or `missed` is; the same state is never told twice in a row. */
export type OwnerChange =
  | { readonly kind: "owner"; readonly server: ServerId; readonly epoch: Epoch }
  | { readonly kind: "nobody" }
  /** Changes may have been lost: read again with {@link Locator.locate}. */
  | { readonly kind: "missed" };

/** A claim of this server succeeded. */
export interface OwnershipWon {
  readonly aor: Aor;
  readonly epoch: Epoch;
  /** How long the claim took. */
  readonly tookMs: number;
}

/** This server no longer owns a user; it has stopped serving them when this is told. */
export interface OwnershipLost {
  readonly aor: Aor;
  readonly epoch: Epoch;
  /** `handed-over`: another server asked for the user. `expired`: the leases ran out. `released`: we let go. */
  readonly reason: "handed-over" | "expired" | "released";
  /** With `handed-over`: to whom. */
  readonly to?: ServerId;
}

/** A standing request to be told of changes of a user's owner. */
export interface OwnerWatch {
  /** Idempotent. */
  close(): void;
}

/**
 * Finds the server of a user, and where the mechanism can, claims, releases and watches.
 * The port between what a user experiences (registrar, presence, messaging) and a routing mechanism.
 * @see draft-ietf-simple-intradomain-federation-01, "Routing"
 */
export interface Locator {
  /** This server. */
  readonly self: ServerId;
  /** The epoch under which this server owns the user at this instant, else `undefined`. Costs no message: ask before every side effect. */
  owned(aor: Aor): Epoch | undefined;
  /**
   * The epoch with which the ownership of this instant began: the same at two instants exactly when the user was not lost in between.
   * {@link owned} can grow meanwhile, where the owner needs a higher epoch because a replica has restarted; what belongs to the
   * ownership, such as a user's publications, outlives that.
   */
  ownedSince(aor: Aor): Epoch | undefined;
  claim(aor: Aor, options: ClaimOptions): Promise<ClaimOutcome>;
  /** Lets go of a user this server owns; nothing happens when it does not. */
  release(aor: Aor): Promise<void>;
  /**
   * @param options.certain `nobody` is answered only when a majority says so (default true); false takes the first
   *   answer, or one that came a moment ago, which is right when the server found will itself confirm
   */
  locate(aor: Aor, options?: { readonly certain?: boolean; readonly signal?: AbortSignal }): Promise<Location>;
  /** Calls `listener` with the present state as soon as it is known, then at every change. */
  watch(aor: Aor, listener: (change: OwnerChange) => void): OwnerWatch;
  /** Calls `listener` whenever this server loses a user, in the same turn of the event loop in which it stops owning. */
  onLost(listener: (lost: OwnershipLost) => void): () => void;
  /** Highest epoch this server has seen for the user: what carries a lower one is stale (invariant I3). */
  newestEpoch(aor: Aor): Epoch | undefined;
  /** Learns an epoch from something that crossed servers; returns false when a higher one is known, or it cannot be true, so that the caller refuses it. */
  observeEpoch(aor: Aor, epoch: Epoch): boolean;
  /** Where a user was handed to, while requests for them may still arrive here (some seconds after a hand-over). */
  forwardingNote(aor: Aor): { readonly server: ServerId; readonly epoch: Epoch } | undefined;
}
