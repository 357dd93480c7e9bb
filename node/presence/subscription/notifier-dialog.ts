import { limits } from "../../runtime/limits.ts";
import { secondsLeft } from "../../runtime/seconds-left.ts";
import type { ExpiryRules } from "../../runtime/expiry-rules.ts";
import { grantedSeconds } from "../expiry.ts";
import type { Pace } from "./pacer.ts";
import { Pacer } from "./pacer.ts";

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
  /** The version that the subscriber has for certain: only what has changed since need be told. Absent: all of it. */
  readonly since?: number;
  readonly subscriptionState:
    | { readonly state: "pending" | "active"; readonly expiresSeconds: number }
    | { readonly state: "terminated"; readonly reason: EndReason };
}

export type NotifierEffect =
  | Notify
  /** The dialog is over: forget it. */
  | { readonly kind: "ended" };

export type SubscribeOutcome =
  | {
      readonly kind: "accepted";
      readonly expiresSeconds: number;
      /** The subscriber has what would be told, and is told nothing. @see RFC 5839 §6.4 */
      readonly suppressed: boolean;
      readonly effects: readonly NotifierEffect[];
    }
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

/** What of a dialog has to be kept so that another process can go on with it. */
export interface SavedNotifier {
  readonly remoteCseq: number;
  /** No NOTIFY has had a higher one. */
  readonly localCseq: number;
  readonly expiresAtMs: number;
  /** Whether the subscriber has been told `active`, which is never taken back. */
  readonly wasActive: boolean;
}

export type NotifierInit = {
  readonly expiry: ExpiryRules;
  /** How often changes are told. Without it each is, as soon as the one before has been answered. */
  readonly pace?: Pace;
} & (
  | {
      /** As granted; 0 is a fetch: one NOTIFY with the state as soon as it is known. */
      readonly expiresSeconds: number;
      readonly cseq: number;
    }
  | { readonly saved: SavedNotifier }
);

const NONE: readonly NotifierEffect[] = [];

/**
 * One subscription as its notifier sees it. At most one NOTIFY is on its way at a time, so they cannot overtake each
 * other, and a subscriber that is slow gets the newest state, not every state.
 * Sans-I/O: call {@link NotifierDialog.tick} when {@link NotifierDialog.nextWakeMs} has come.
 * @see RFC 6665 §4.2, RFC 3856 §6
 */
export class NotifierDialog {
  readonly #expiry: ExpiryRules;
  #pacer: Pacer | undefined;
  #state: NotifierState = { kind: "undetermined" };
  #expiresAtMs: number;
  #remoteCseq: number;
  #localCseq = 0;
  #wasActive = false;
  #inFlight = false;
  /** A NOTIFY is owed even though nothing has changed. */
  #due = true;
  #sentVersion: number | undefined;
  /** The version of the last NOTIFY that was answered well, while no refresh has asked for everything. */
  #confirmedVersion: number | undefined;
  /** The subscriber asked to be left alone until then. */
  #retryAtMs: number | undefined;
  /** The subscriber cannot be reached, and is waited for until then. */
  #awayUntilMs: number | undefined;
  /** Changes have been told so often that this one waits. */
  #paceAtMs: number | undefined;

  constructor(init: NotifierInit, nowMs: number) {
    this.#expiry = init.expiry;
    this.#pacer = init.pace && new Pacer(init.pace, nowMs);
    if ("saved" in init) {
      this.#remoteCseq = init.saved.remoteCseq;
      this.#localCseq = init.saved.localCseq;
      this.#expiresAtMs = init.saved.expiresAtMs;
      this.#wasActive = init.saved.wasActive;
      return;
    }
    this.#remoteCseq = init.cseq;
    this.#expiresAtMs = nowMs + init.expiresSeconds * 1000;
    if (init.expiresSeconds === 0) this.#state = { kind: "undetermined", endWith: "timeout" };
  }

  get state(): NotifierState {
    return this.#state;
  }

  /** Whether the subscriber has been told `active`. */
  get wasActive(): boolean {
    return this.#wasActive;
  }

  get expiresAtMs(): number {
    return this.#expiresAtMs;
  }

  /** What another process has to know to go on with this dialog. */
  saved(): SavedNotifier {
    return {
      remoteCseq: this.#remoteCseq,
      localCseq: this.#localCseq,
      expiresAtMs: this.#expiresAtMs,
      wasActive: this.#wasActive,
    };
  }

  /** From now on changes are told at another pace. */
  repace(pace: Pace, nowMs: number): void {
    if (this.#pacer?.isAt(pace) !== true) this.#pacer = new Pacer(pace, nowMs);
  }

  /** When to call {@link tick} at the latest. */
  nextWakeMs(): number | undefined {
    if (this.#state.kind === "terminated") return undefined;
    if (this.#state.kind === "undetermined" && this.#state.endWith !== undefined) return undefined;
    const waits = [this.#retryAtMs, this.#awayUntilMs, this.#paceAtMs].map((atMs) => atMs ?? Infinity);
    return Math.min(this.#expiresAtMs, ...waits);
  }

  /**
   * A SUBSCRIBE within the dialog: refresh, or end with Expires 0. Either is answered by a NOTIFY, unless the subscriber
   * has the present state and wants to hear only of others.
   * @see RFC 6665 §4.2.1.2, §4.2.1.4; RFC 3261 §12.2.2 for the order
   */
  subscribe(
    event: {
      readonly cseq: number;
      readonly expiresSeconds: number | undefined;
      /** Whether the condition of Suppress-If-Match holds. */
      readonly hasState?: boolean;
      /** Whether it has come by another way than NOTIFYs have gone: the one in flight may be lost on that, and its answer does not count any more. */
      readonly isElsewhere?: boolean;
    },
    nowMs: number,
  ): SubscribeOutcome {
    if (event.cseq <= this.#remoteCseq) return { kind: "out-of-order" };
    this.#remoteCseq = event.cseq;
    if (this.#state.kind === "terminated") return { kind: "gone" };
    const expiresSeconds = grantedSeconds(event.expiresSeconds, this.#expiry);
    if (expiresSeconds === "too-brief") return { kind: "too-brief" };
    this.#expiresAtMs = nowMs + expiresSeconds * 1000;
    this.#retryAtMs = undefined;
    this.#awayUntilMs = undefined;
    if (event.isElsewhere === true && this.#inFlight) this.#tellAgain();
    if (this.#state.kind === "undetermined") this.#state = { kind: "undetermined" };
    if (event.hasState === true && this.#suppress())
      return { kind: "accepted", expiresSeconds, suppressed: true, effects: this.#quietly(expiresSeconds) };
    this.#due = true;
    this.#confirmedVersion = undefined;
    const effects = expiresSeconds === 0 ? this.terminate("timeout", nowMs) : this.#pump(nowMs);
    return { kind: "accepted", expiresSeconds, suppressed: false, effects };
  }

  /** undetermined → pending | active, pending → active; a subscription that has been told so stays active, whatever is shown. */
  show(shown: Shown, nowMs: number): readonly NotifierEffect[] {
    switch (this.#state.kind) {
      case "undetermined": {
        const { endWith } = this.#state;
        this.#state = { kind: this.#wasActive ? "active" : shown.standing, shown };
        return endWith === undefined ? this.#pump(nowMs) : this.terminate(endWith, nowMs);
      }
      case "pending":
        // RFC 6665 §4.2.2: the change of the subscription's state is news in itself.
        if (shown.standing === "active") this.#due = true;
        this.#state = { kind: shown.standing, shown };
        return this.#pump(nowMs);
      case "active":
        this.#state = { kind: this.#wasActive ? "active" : shown.standing, shown };
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
    this.#awayUntilMs = undefined;
    return this.#pump(nowMs);
  }

  /** The answer to the NOTIFY in flight. @see RFC 6665 §4.2.2 */
  answered(answer: NotifyAnswer, nowMs: number): readonly NotifierEffect[] {
    this.#inFlight = false;
    if (this.#state.kind === "terminated" && this.#state.notified) return [{ kind: "ended" }];
    if (answer.status >= 200 && answer.status < 300) {
      this.#confirmedVersion = this.#due ? undefined : this.#sentVersion;
      return this.#pump(nowMs);
    }
    const { retryAfterSeconds } = answer;
    if (this.#state.kind === "terminated" || answer.status === 481 || retryAfterSeconds === undefined) {
      this.#state = { kind: "terminated", reason: "timeout", notified: true };
      return [{ kind: "ended" }];
    }
    this.#tellAgain();
    // Never at once: a subscriber that says 0 would be asked again as fast as it answers.
    this.#retryAtMs = nowMs + Math.max(1, retryAfterSeconds) * 1000;
    return NONE;
  }

  /** The NOTIFY in flight could not be sent: the connection to the subscriber is gone, and only they can make another. They are waited for. */
  away(nowMs: number): readonly NotifierEffect[] {
    if (this.#state.kind === "terminated") return this.answered({ status: 503 }, nowMs);
    this.#tellAgain();
    this.#awayUntilMs = nowMs + limits.presence.awayMs;
    return NONE;
  }

  /** Whether the subscriber is waited for. */
  get isAway(): boolean {
    return this.#awayUntilMs !== undefined;
  }

  /** There is another way to the subscriber. The NOTIFY in flight may be lost on the one of before: its answer does not count any more. */
  reached(nowMs: number): readonly NotifierEffect[] {
    this.#awayUntilMs = undefined;
    if (this.#state.kind === "terminated") return NONE;
    if (this.#inFlight) this.#tellAgain();
    return this.#pump(nowMs);
  }

  /** active | pending → terminated (timeout) when it has expired, or the subscriber was away for too long. */
  tick(nowMs: number): readonly NotifierEffect[] {
    if (nowMs >= this.#expiresAtMs) return this.terminate("timeout", nowMs);
    if (this.#awayUntilMs !== undefined && nowMs >= this.#awayUntilMs) return this.terminate("timeout", nowMs);
    if (this.#retryAtMs !== undefined && nowMs >= this.#retryAtMs) this.#retryAtMs = undefined;
    if (this.#paceAtMs !== undefined && nowMs >= this.#paceAtMs) this.#paceAtMs = undefined;
    return this.#pump(nowMs);
  }

  #tellAgain(): void {
    this.#inFlight = false;
    this.#due = true;
    this.#confirmedVersion = undefined;
  }

  /** Takes the subscriber's word that it has what is shown; false while nothing is, or a NOTIFY of another state is on its way. */
  #suppress(): boolean {
    const state = this.#state;
    if ((state.kind !== "pending" && state.kind !== "active") || this.#inFlight || this.#due) return false;
    this.#sentVersion = state.shown.version;
    this.#confirmedVersion = state.shown.version;
    this.#paceAtMs = undefined;
    return true;
  }

  #quietly(expiresSeconds: number): readonly NotifierEffect[] {
    if (expiresSeconds > 0) return NONE;
    this.#state = { kind: "terminated", reason: "timeout", notified: true };
    return [{ kind: "ended" }];
  }

  #pump(nowMs: number): readonly NotifierEffect[] {
    const state = this.#state;
    if (this.#inFlight || this.#retryAtMs !== undefined || this.#awayUntilMs !== undefined) return NONE;
    switch (state.kind) {
      case "undetermined":
        return NONE;
      case "terminated":
        if (state.notified) return NONE;
        this.#state = { ...state, notified: true };
        return [this.#notify({ state: "terminated", reason: state.reason })];
      case "pending":
      case "active":
        if (!this.#due && (state.shown.version === this.#sentVersion || !this.#isInTurn(nowMs))) return NONE;
        this.#paceAtMs = undefined;
        this.#due = false;
        this.#pacer?.told(nowMs);
        this.#sentVersion = state.shown.version;
        this.#wasActive ||= state.kind === "active";
        return [
          this.#notify({
            state: state.kind,
            expiresSeconds: secondsLeft(this.#expiresAtMs, nowMs),
          }),
        ];
    }
  }

  /** Whether one more change may be told now; if not, when. What answers a SUBSCRIBE does not wait. */
  #isInTurn(nowMs: number): boolean {
    if (this.#pacer === undefined || this.#pacer.take(nowMs)) return true;
    this.#paceAtMs = this.#pacer.nextMs(nowMs);
    return false;
  }

  #notify(subscriptionState: Notify["subscriptionState"]): Notify {
    this.#inFlight = true;
    this.#localCseq += 1;
    const since = this.#confirmedVersion;
    return { kind: "notify", cseq: this.#localCseq, subscriptionState, ...(since === undefined ? {} : { since }) };
  }
}
