import type { ExpiryRules } from "../expiry.ts";
import { grantedSeconds } from "../expiry.ts";

/** Why a subscription ended. @see RFC 6665 §4.1.3 */
export type EndReason = "deactivated" | "probation" | "rejected" | "timeout" | "giveup" | "noresource" | "invariant";

/** What the subject of a subscription shows at present. */
export interface Shown {
  /** `pending`: what is shown says nothing of the user yet. */
  readonly standing: "pending" | "active";
  /** Another number for each state that differs from the one before. */
  readonly version: number;
}

export type NotifierState =
  /** Accepted, but nothing is known that could be shown; `endWith`: it ends as soon as something is. */
  | { readonly kind: "undetermined"; readonly endWith?: EndReason }
  | { readonly kind: "pending"; readonly shown: Shown }
  | { readonly kind: "active"; readonly shown: Shown }
  /** `notified`: the last NOTIFY has left; the rest is waiting for its answer. */
  | { readonly kind: "terminated"; readonly reason: EndReason; readonly notified: boolean };

/** A NOTIFY to send. The body is whatever the subject shows when it is built: a newer state takes the place of an older. */
export interface Notify {
  readonly kind: "notify";
  readonly cseq: number;
  readonly subscriptionState:
    | { readonly state: "pending" | "active"; readonly expiresSeconds: number }
    | { readonly state: "terminated"; readonly reason: EndReason };
}

export type NotifierEffect =
  | Notify
  /** The dialog is over: forget it. */
  | { readonly kind: "ended" };

export type SubscribeOutcome =
  | { readonly kind: "accepted"; readonly expiresSeconds: number; readonly effects: readonly NotifierEffect[] }
  | { readonly kind: "too-brief" }
  /** The CSeq is not above the last. */
  | { readonly kind: "out-of-order" }
  /** The subscription has ended. */
  | { readonly kind: "gone" };

/** How the subscriber answered a NOTIFY. */
export interface NotifyAnswer {
  /** 408 when there was none. */
  readonly status: number;
  readonly retryAfterSeconds?: number;
}

const NONE: readonly NotifierEffect[] = [];

/**
 * One subscription as its notifier sees it. At most one NOTIFY is on its way at a time, so they cannot overtake each
 * other, and a subscriber that is slow gets the newest state, not every state.
 * Sans-I/O: call {@link NotifierDialog.tick} when {@link NotifierDialog.nextWakeMs} has come.
 * @see RFC 6665 §4.2, RFC 3856 §6
 */
export class NotifierDialog {
  readonly #expiry: ExpiryRules;
  #state: NotifierState = { kind: "undetermined" };
  #expiresAtMs: number;
  #remoteCseq: number;
  #localCseq = 0;
  #inFlight = false;
  /** A NOTIFY is owed even though nothing has changed. */
  #due = true;
  #sentVersion: number | undefined;
  /** The subscriber asked to be left alone until then. */
  #retryAtMs: number | undefined;

  /** @param expiresSeconds as granted; 0 is a fetch: one NOTIFY with the state as soon as it is known */
  constructor(
    init: { readonly expiry: ExpiryRules; readonly expiresSeconds: number; readonly cseq: number },
    nowMs: number,
  ) {
    this.#expiry = init.expiry;
    this.#remoteCseq = init.cseq;
    this.#expiresAtMs = nowMs + init.expiresSeconds * 1000;
    if (init.expiresSeconds === 0) this.#state = { kind: "undetermined", endWith: "timeout" };
  }

  get state(): NotifierState {
    return this.#state;
  }

  /** When to call {@link tick} at the latest. */
  nextWakeMs(): number | undefined {
    if (this.#state.kind === "terminated") return undefined;
    if (this.#state.kind === "undetermined" && this.#state.endWith !== undefined) return undefined;
    return Math.min(this.#expiresAtMs, this.#retryAtMs ?? Infinity);
  }

  /**
   * A SUBSCRIBE within the dialog: refresh, or end with Expires 0. Either is answered by a NOTIFY.
   * @see RFC 6665 §4.2.1.2, §4.2.1.4; RFC 3261 §12.2.2 for the order
   */
  subscribe(
    event: { readonly cseq: number; readonly expiresSeconds: number | undefined },
    nowMs: number,
  ): SubscribeOutcome {
    if (event.cseq <= this.#remoteCseq) return { kind: "out-of-order" };
    this.#remoteCseq = event.cseq;
    if (this.#state.kind === "terminated") return { kind: "gone" };
    const expiresSeconds = grantedSeconds(event.expiresSeconds, this.#expiry);
    if (expiresSeconds === "too-brief") return { kind: "too-brief" };
    this.#expiresAtMs = nowMs + expiresSeconds * 1000;
    this.#due = true;
    this.#retryAtMs = undefined;
    if (this.#state.kind === "undetermined") this.#state = { kind: "undetermined" };
    const effects = expiresSeconds === 0 ? this.terminate("timeout", nowMs) : this.#pump(nowMs);
    return { kind: "accepted", expiresSeconds, effects };
  }

  /** undetermined → pending | active, pending → active; an active subscription stays so, whatever is shown. */
  show(shown: Shown, nowMs: number): readonly NotifierEffect[] {
    switch (this.#state.kind) {
      case "undetermined": {
        const { endWith } = this.#state;
        this.#state = { kind: shown.standing, shown };
        return endWith === undefined ? this.#pump(nowMs) : this.terminate(endWith, nowMs);
      }
      case "pending":
        // RFC 6665 §4.2.2: the change of the subscription's state is news in itself.
        if (shown.standing === "active") this.#due = true;
        this.#state = { kind: shown.standing, shown };
        return this.#pump(nowMs);
      case "active":
        this.#state = { kind: "active", shown };
        return this.#pump(nowMs);
      case "terminated":
        return NONE;
    }
  }

  /** any → terminated, with a last NOTIFY; an undetermined one waits for something to show in it. */
  terminate(reason: EndReason, nowMs: number): readonly NotifierEffect[] {
    if (this.#state.kind === "terminated") return NONE;
    if (this.#state.kind === "undetermined" && reason === "timeout") {
      this.#state = { kind: "undetermined", endWith: reason };
      return NONE;
    }
    this.#state = { kind: "terminated", reason, notified: false };
    this.#retryAtMs = undefined;
    return this.#pump(nowMs);
  }

  /** The answer to the NOTIFY in flight. @see RFC 6665 §4.2.2 */
  answered(answer: NotifyAnswer, nowMs: number): readonly NotifierEffect[] {
    this.#inFlight = false;
    if (this.#state.kind === "terminated" && this.#state.notified) return [{ kind: "ended" }];
    if (answer.status >= 200 && answer.status < 300) return this.#pump(nowMs);
    const { retryAfterSeconds } = answer;
    if (this.#state.kind === "terminated" || answer.status === 481 || retryAfterSeconds === undefined) {
      this.#state = { kind: "terminated", reason: "timeout", notified: true };
      return [{ kind: "ended" }];
    }
    this.#due = true;
    // Never at once: a subscriber that says 0 would be asked again as fast as it answers.
    this.#retryAtMs = nowMs + Math.max(1, retryAfterSeconds) * 1000;
    return NONE;
  }

  /** active | pending → terminated (timeout) when it has expired. */
  tick(nowMs: number): readonly NotifierEffect[] {
    if (nowMs >= this.#expiresAtMs) return this.terminate("timeout", nowMs);
    if (this.#retryAtMs !== undefined && nowMs >= this.#retryAtMs) this.#retryAtMs = undefined;
    return this.#pump(nowMs);
  }

  #pump(nowMs: number): readonly NotifierEffect[] {
    const state = this.#state;
    if (this.#inFlight || this.#retryAtMs !== undefined) return NONE;
    switch (state.kind) {
      case "undetermined":
        return NONE;
      case "terminated":
        if (state.notified) return NONE;
        this.#state = { ...state, notified: true };
        return [this.#notify({ state: "terminated", reason: state.reason })];
      case "pending":
      case "active":
        if (!this.#due && state.shown.version === this.#sentVersion) return NONE;
        this.#due = false;
        this.#sentVersion = state.shown.version;
        return [
          this.#notify({
            state: state.kind,
            expiresSeconds: Math.max(0, Math.ceil((this.#expiresAtMs - nowMs) / 1000)),
          }),
        ];
    }
  }

  #notify(subscriptionState: Notify["subscriptionState"]): Notify {
    this.#inFlight = true;
    this.#localCseq += 1;
    return { kind: "notify", cseq: this.#localCseq, subscriptionState };
  }
}
