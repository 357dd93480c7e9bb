import type { Epoch } from "../../../dht-schema/ballot.ts";
import { compareBallots, sameBallot } from "../../../dht-schema/ballot.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import type { Location, OwnerChange } from "../../federation/locator.ts";
import type {
  BackendTimes,
  Instant,
  NotifyContent,
  Owner,
  OwnerDocument,
  SubscribeResult,
  ViewEffect,
  ViewState,
} from "./view-state.ts";

type OnCall = Extract<ViewState, { kind: "subscribing" | "active" }>;

const NONE: readonly ViewEffect[] = [];

/**
 * One watched user as the watchers' server sees it: follows the user from owner to owner with at most one back-end
 * subscription, while the watchers' own dialogs stay up.
 * Sans-I/O: call {@link BackendView.tick} when {@link BackendView.nextWakeMs} has come.
 */
export class BackendView {
  readonly #self: ServerId;
  readonly #times: BackendTimes;
  #state: ViewState = { kind: "locating" };
  #calls = 0;
  /** Newest epoch acted upon; what is older changes nothing. */
  #epoch: Epoch | undefined;
  /** Whether watchers see a document of an owner. */
  #hasDocument = false;
  /** Of that document. */
  #said: Epoch | undefined;
  /** A document that is older than what watchers see: a server that had the user before was the first to have them again. */
  #withheld:
    | { readonly from: OnCall["call"] | "here"; readonly content: OwnerDocument; readonly showAtMs: number }
    | undefined;
  /** Taken for the owner last. */
  #former: ServerId | undefined;
  /** Whether that server is asked before "nobody" shows: it has said that it restarts or is busy, or the link to it was lost and is back, and it may be taking its users up still. */
  #isToBeAsked = false;
  /** Until then "nobody" does not show, at least: servers that start together find each other's users one by one, and one that stops may be back. */
  #graceUntilMs: number;
  /** While watchers see nothing at all: when they are told that the user is nowhere yet. */
  #settleAtMs: number | undefined;

  /** @param init.restored watchers saw a document of an owner before this process began, and keep it until there is a newer one */
  constructor(
    init: { readonly self: ServerId; readonly times: BackendTimes; readonly restored?: boolean },
    nowMs: number,
  ) {
    this.#self = init.self;
    this.#times = init.times;
    this.#hasDocument = init.restored === true;
    this.#graceUntilMs = this.#hasDocument ? nowMs + init.times.restoreGraceMs : nowMs;
    this.#settleAtMs = this.#hasDocument ? undefined : nowMs + init.times.settleMs;
  }

  get state(): ViewState {
    return this.#state;
  }

  /** Whether the server that had the user is asked whether it still has. */
  get isAsking(): boolean {
    return this.#state.kind === "subscribing" && this.#state.isQuestion === true;
  }

  /** The server that was taken for the owner last. */
  get former(): ServerId | undefined {
    return this.#former;
  }

  /** When to call {@link tick} at the latest. */
  nextWakeMs(): number | undefined {
    const next = Math.min(this.#settleAtMs ?? Infinity, this.#withheld?.showAtMs ?? Infinity, dueAtMs(this.#state));
    return next === Infinity ? undefined : next;
  }

  /** The owner watch has told something. That this server is the owner is told by {@link ownedHere}. */
  ownerChanged(change: OwnerChange, at: Instant): readonly ViewEffect[] {
    switch (change.kind) {
      case "owner":
        return this.#ownerIs({ server: change.server, epoch: change.epoch }, at);
      case "nobody":
        return this.#nobody(at);
      case "missed":
        return this.#state.kind === "closed" ? NONE : [{ kind: "locate", known: this.#epoch }];
    }
  }

  /** The answer to the effect `locate`. @param known of that effect */
  located(location: Location, at: Instant, known?: Epoch): readonly ViewEffect[] {
    switch (location.kind) {
      case "here":
        return this.ownedHere(location.epoch);
      case "server":
        return this.#locatedAt({ server: location.server, epoch: location.epoch }, at);
      case "nobody":
        // It may have been true before the owner was found who has been told of since, and will not be told of again.
        return sameEpoch(known, this.#epoch) ? this.#nobody(at) : NONE;
      case "unavailable":
        // In `moving` the next try is set already; in any other state the watch will tell.
        return NONE;
    }
  }

  /** any → here. The owner before us ends its dialog itself: it knows that it has handed over. */
  ownedHere(epoch: Epoch): readonly ViewEffect[] {
    const state = this.#state;
    if (state.kind === "closed" || this.#isOlder(epoch) || (state.kind === "here" && !this.#isNewer(epoch)))
      return NONE;
    this.#epoch = epoch;
    this.#state = { kind: "here", epoch };
    this.#former = undefined;
    this.#settleAtMs = undefined;
    return [...forget(state), { kind: "show-own" }];
  }

  /** here → moving: what the own composition showed last, or the owner before, stands until the next owner's first document. */
  lostHere(at: Instant): readonly ViewEffect[] {
    if (this.#state.kind !== "here") return NONE;
    this.#state = { kind: "moving", atMs: this.#jittered(at), attempt: 0, lookups: 0 };
    this.#settleAtMs = this.#hasDocument ? undefined : at.nowMs + this.#times.settleMs;
    return NONE;
  }

  /** subscribing → subscribing | moving, active → active | subscribing | moving */
  subscribeAnswered(call: number, result: SubscribeResult, at: Instant): readonly ViewEffect[] {
    const state = this.#onCall(call);
    if (state === undefined) return NONE;
    if (result.kind === "accepted") {
      const { expiresSeconds } = result;
      this.#state =
        state.kind === "active"
          ? { ...state, refreshAtMs: refreshAtMs(expiresSeconds, at) }
          : { ...state, expiresSeconds };
      return NONE;
    }
    const attempt = state.kind === "subscribing" ? state.attempt + 1 : 1;
    // The owner of before is there, and is busy: after a restart with taking its users up again.
    if (result.kind === "failed" && result.retryAfterSeconds !== undefined && result.isFull !== true) {
      const afterMs = Math.min(result.retryAfterSeconds * 1000, this.#times.retryMaxMs);
      this.#graceUntilMs = Math.max(this.#graceUntilMs, at.nowMs + afterMs + this.#times.restoreGraceMs);
      this.#isToBeAsked = true;
    }
    // It was there a moment ago: a link breaks where a server has too much to do, too.
    if (isQuestion(state) && result.kind === "failed" && result.isCutOff === true) {
      this.#expectBack(at);
      return this.#orphan(state, at);
    }
    if (
      result.kind === "not-owner" &&
      result.owner !== undefined &&
      result.owner !== this.#self &&
      this.#isNewer(result.epoch)
    ) {
      // Epochs rise from hop to hop, so following cannot go in a circle.
      return [...forget(state), ...this.#subscribe({ server: result.owner, epoch: result.epoch }, attempt, at)];
    }
    // An owner of a lower epoch would only be refused again.
    if (result.kind === "not-owner" && this.#isNewer(result.epoch)) this.#epoch = result.epoch;
    // The grace was over when it was asked.
    if (isQuestion(state) && !isBusy(result)) return [...forget(state), ...this.#hold()];
    return this.#tryLater(state, attempt, result.kind === "failed" ? result.retryAfterSeconds : undefined, at);
  }

  /** subscribing → active, active → active, either → moving when the owner ends the subscription. */
  notified(call: number, content: NotifyContent, at: Instant): readonly ViewEffect[] {
    const state = this.#onCall(call);
    if (state === undefined) return NONE;
    if (content.kind === "terminated") {
      // RFC 6665 §4.1.3: for now. The owner's process ends, and its next run will have the user again.
      if (content.reason === "probation") this.#expectBack(at);
      return this.#tryLater(state, state.kind === "subscribing" ? state.attempt + 1 : 1, content.retryAfterSeconds, at);
    }
    const { document, said } = content;
    if (document === undefined) return NONE;
    const granted = content.expiresSeconds ?? (state.kind === "subscribing" ? state.expiresSeconds : undefined);
    const unchanged = state.kind === "active" ? state.refreshAtMs : Infinity;
    this.#isToBeAsked = false;
    this.#state = {
      kind: "active",
      owner: state.owner,
      call,
      refreshAtMs: granted === undefined ? unchanged : refreshAtMs(granted, at),
    };
    return this.#show({ document, said }, call, at);
  }

  /** This server's own composition is another. */
  composed(content: OwnerDocument, at: Instant): readonly ViewEffect[] {
    return this.#state.kind === "here" ? this.#show(content, "here", at) : NONE;
  }

  /** The link to a server is back: what it sent meanwhile is lost, and it may have given the dialog up. subscribing | active → moving */
  linkUp(server: ServerId, at: Instant): readonly ViewEffect[] {
    const state = this.#state;
    if (this.#former !== server) return NONE;
    // It may be another run of it, which has all its users to take up again.
    this.#expectBack(at);
    if (state.kind === "orphaned") this.#state = { ...state, closeAtMs: Math.max(state.closeAtMs, this.#graceUntilMs) };
    if (state.kind !== "subscribing" && state.kind !== "active") return NONE;
    this.#state = { kind: "moving", to: state.owner, atMs: this.#jittered(at), attempt: 0, lookups: 0 };
    return forget(state);
  }

  /** Whatever was due by now. */
  tick(at: Instant): readonly ViewEffect[] {
    const settled: ViewEffect[] = [];
    if (this.#settleAtMs !== undefined && at.nowMs >= this.#settleAtMs) {
      this.#settleAtMs = undefined;
      settled.push({ kind: "show-closed" });
    }
    const withheld = this.#withheld;
    if (withheld !== undefined && at.nowMs >= withheld.showAtMs) {
      this.#withheld = undefined;
      // Nobody has come who knows better.
      if (withheld.from === "here" ? this.#state.kind === "here" : this.#onCall(withheld.from) !== undefined)
        settled.push(this.#showNow(withheld.content));
    }
    return at.nowMs < dueAtMs(this.#state) ? settled : [...settled, ...this.#due(at)];
  }

  /** any → closed */
  close(): readonly ViewEffect[] {
    const state = this.#state;
    this.#state = { kind: "closed" };
    this.#settleAtMs = undefined;
    this.#withheld = undefined;
    return state.kind === "subscribing" || state.kind === "active" ? [{ kind: "unsubscribe", call: state.call }] : NONE;
  }

  #due(at: Instant): readonly ViewEffect[] {
    const state = this.#state;
    switch (state.kind) {
      case "subscribing":
        // Accepted or not, it has told nothing: it may have lost the dialog, or us.
        this.#tryLater(state, state.attempt + 1, undefined, at);
        return [{ kind: "unsubscribe", call: state.call }];
      case "active":
        this.#state = { ...state, refreshAtMs: Infinity };
        return [{ kind: "refresh", call: state.call }];
      case "moving":
        if (state.to !== undefined) return this.#subscribe(state.to, state.attempt, at);
        // In case that no answer comes, or none that helps: later each time, for it may be so for all users of this server.
        this.#state = {
          ...state,
          lookups: state.lookups + 1,
          atMs: at.nowMs + this.#backoffMs(state.attempt + state.lookups + 1, at),
        };
        return [{ kind: "locate", known: this.#epoch }];
      case "orphaned":
        if (at.isExpected === true) {
          this.#state = { ...state, closeAtMs: at.nowMs + this.#times.orphanGraceMs };
          return NONE;
        }
        return this.#stillOrphaned(state, at);
      case "locating":
      case "held":
      case "here":
      case "closed":
        return NONE;
    }
  }

  /** orphaned → orphaned | subscribing | held */
  #stillOrphaned(state: ViewState & { readonly kind: "orphaned" }, at: Instant): readonly ViewEffect[] {
    const { restartUntilMs = at.nowMs } = at;
    if (restartUntilMs > at.nowMs) {
      this.#isToBeAsked = true;
      this.#state = { ...state, closeAtMs: restartUntilMs };
      return NONE;
    }
    if (!this.#isToBeAsked || this.#former === undefined || this.#epoch === undefined) return this.#hold();
    return this.#subscribe({ server: this.#former, epoch: this.#epoch }, 0, at, true);
  }

  /** locating | held → subscribing; subscribing | active | orphaned → moving, when it is news. */
  #ownerIs(owner: Owner, at: Instant): readonly ViewEffect[] {
    const state = this.#state;
    if (owner.server === this.#self || this.#isOlder(owner.epoch)) return NONE;
    switch (state.kind) {
      case "closed":
        return NONE;
      case "locating":
      case "held":
        // No jitter: each server does this once for a user who appears, and somebody is waiting to see it.
        return this.#subscribe(owner, 0, at);
      case "moving":
        this.#state = { ...state, to: owner, atMs: Math.min(state.atMs, this.#jittered(at)) };
        this.#take(owner);
        return NONE;
      case "here":
        // Told by lostHere, in the turn in which it happens.
        return NONE;
      case "subscribing":
      case "active":
      case "orphaned":
        if (state.kind !== "orphaned" && !this.#isNewer(owner.epoch)) return NONE;
        this.#state = { kind: "moving", to: owner, atMs: this.#jittered(at), attempt: 0, lookups: 0 };
        this.#take(owner);
        return forget(state);
    }
  }

  #locatedAt(owner: Owner, at: Instant): readonly ViewEffect[] {
    const state = this.#state;
    if (state.kind !== "moving") return this.#ownerIs(owner, at);
    if (owner.server === this.#self || this.#isOlder(owner.epoch)) return NONE;
    return this.#subscribe(owner, state.attempt, at);
  }

  /** locating | subscribing | active | moving → orphaned, or → held when there is no document to keep. */
  #nobody(at: Instant): readonly ViewEffect[] {
    const state = this.#state;
    switch (state.kind) {
      case "locating":
      case "subscribing":
      case "active":
      case "moving":
        if (!this.#hasDocument) return [...forget(state), ...this.#hold()];
        return this.#orphan(state, at);
      case "held":
      case "orphaned":
      case "here":
      case "closed":
        return NONE;
    }
  }

  /** Not what is older than what watchers see: whoever said that may have the user again in a moment. */
  #show(content: OwnerDocument, from: OnCall["call"] | "here", at: Instant): readonly ViewEffect[] {
    const isOlder =
      this.#hasDocument &&
      content.said !== undefined &&
      this.#said !== undefined &&
      compareBallots(content.said, this.#said) < 0;
    if (!isOlder) return [this.#showNow(content)];
    const showAtMs = this.#withheld?.from === from ? this.#withheld.showAtMs : at.nowMs + this.#times.staleMs;
    this.#withheld = { from, content, showAtMs };
    return NONE;
  }

  #showNow({ document, said }: OwnerDocument): ViewEffect {
    this.#hasDocument = true;
    this.#said = said;
    this.#withheld = undefined;
    this.#settleAtMs = undefined;
    return { kind: "show", document };
  }

  #hold(): readonly ViewEffect[] {
    this.#state = { kind: "held" };
    this.#isToBeAsked = false;
    this.#hasDocument = false;
    this.#settleAtMs = undefined;
    this.#withheld = undefined;
    return [{ kind: "show-closed" }];
  }

  #orphan(state: ViewState, at: Instant): readonly ViewEffect[] {
    if (at.restartUntilMs !== undefined && at.restartUntilMs > at.nowMs) this.#isToBeAsked = true;
    this.#state = {
      kind: "orphaned",
      closeAtMs: Math.max(at.nowMs + this.#times.orphanGraceMs, this.#graceUntilMs, at.restartUntilMs ?? 0),
    };
    return forget(state);
  }

  #expectBack(at: Instant): void {
    this.#graceUntilMs = at.nowMs + this.#times.restoreGraceMs;
    this.#isToBeAsked = true;
  }

  #take({ server, epoch }: Owner): void {
    this.#former = server;
    this.#epoch = epoch;
  }

  /** @param isQuestion whether it still has the user, whom the directory knows to be nowhere */
  #subscribe(owner: Owner, attempt: number, at: Instant, isQuestion = false): readonly ViewEffect[] {
    this.#calls += 1;
    this.#take(owner);
    this.#state = {
      kind: "subscribing",
      owner,
      call: this.#calls,
      attempt,
      giveUpAtMs: at.nowMs + this.#times.firstDocumentMs,
      ...(isQuestion && { isQuestion }),
    };
    return [{ kind: "subscribe", call: this.#calls, owner, ...(isQuestion && { isQuestion }) }];
  }

  /** Where the user is is asked again then: meanwhile the watch may tell. */
  #tryLater(state: OnCall, attempt: number, retryAfterSeconds: number | undefined, at: Instant): readonly ViewEffect[] {
    // The watch tells when there is an owner.
    if (isQuestion(state)) return this.#orphan(state, at);
    const delayMs = Math.max(
      this.#backoffMs(attempt, at),
      Math.min((retryAfterSeconds ?? 0) * 1000, this.#times.retryMaxMs),
    );
    this.#state = { kind: "moving", atMs: at.nowMs + delayMs, attempt, lookups: 0 };
    return forget(state);
  }

  #onCall(call: number): OnCall | undefined {
    const state = this.#state;
    return (state.kind === "subscribing" || state.kind === "active") && state.call === call ? state : undefined;
  }

  #isNewer(epoch: Epoch): boolean {
    return this.#epoch === undefined || compareBallots(epoch, this.#epoch) > 0;
  }

  #isOlder(epoch: Epoch): boolean {
    return this.#epoch !== undefined && compareBallots(epoch, this.#epoch) < 0;
  }

  #jittered({ nowMs, random }: Instant): number {
    return nowMs + this.#times.resubscribeJitterMs * random;
  }

  /** Doubles with each attempt; half of it is random, so that servers that failed together do not try together. */
  #backoffMs(attempt: number, { random }: Instant): number {
    return Math.min(this.#times.retryMaxMs, this.#times.retryMs * 2 ** Math.min(attempt - 1, 30)) * (0.5 + random / 2);
  }
}

/** Whether it may have the user again, if it is given time. */
function isBusy(result: SubscribeResult): boolean {
  return result.kind === "failed" && (result.retryAfterSeconds !== undefined || result.isSettling === true);
}

function isQuestion(state: OnCall): boolean {
  return state.kind === "subscribing" && state.isQuestion === true;
}

function dueAtMs(state: ViewState): number {
  switch (state.kind) {
    case "subscribing":
      return state.giveUpAtMs;
    case "active":
      return state.refreshAtMs;
    case "moving":
      return state.atMs;
    case "orphaned":
      return state.closeAtMs;
    case "locating":
    case "held":
    case "here":
    case "closed":
      return Infinity;
  }
}

function forget(state: ViewState): readonly ViewEffect[] {
  return state.kind === "subscribing" || state.kind === "active" ? [{ kind: "forget", call: state.call }] : NONE;
}

/** Between 50 and 85 % of the term, spread. */
function refreshAtMs(expiresSeconds: number, { nowMs, random }: Instant): number {
  return nowMs + expiresSeconds * 1000 * (0.5 + 0.35 * random);
}

function sameEpoch(a: Epoch | undefined, b: Epoch | undefined): boolean {
  return a === undefined || b === undefined ? a === b : sameBallot(a, b);
}
