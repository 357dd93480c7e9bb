import type { Aor } from "../../../dht-schema/aor.ts";
import type { Epoch } from "../../../dht-schema/ballot.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import type { Location, OwnerChange, OwnerWatch } from "../../federation/locator.ts";
import { PRESENCE_EVENT } from "../answer.ts";
import { BackendView } from "../backend/backend-view.ts";
import type { Instant, NotifyContent, SubscribeResult, ViewEffect, ViewState } from "../backend/view-state.ts";
import { compose } from "../pidf/compose.ts";
import { PIDF_CONTENT_TYPE, serializePidf } from "../pidf/pidf-document.ts";
import type { CallOwner } from "./backend-call.ts";
import { BackendCall } from "./backend-call.ts";
import type { PresenceContext } from "./presence-context.ts";
import type { Content, Subject } from "./subject.ts";
import { documentContent, entityTagOf } from "./shown-document.ts";
import type { ComposedDocument } from "./served-user.ts";
import type { ShownDocument } from "./shown-document.ts";
import type { Subscription } from "./subscription.ts";
import type { Watcher } from "./watcher.ts";

/** Of a server that has said so of another user. */
const BUSY: SubscribeResult = { kind: "failed", retryAfterSeconds: 0 };

/** What a watched user needs of what is around it. */
export interface WatchedUserHost {
  /** The epoch under which this server owns the user at this instant. */
  check(): Epoch | undefined;
  /** This server's own composition, while it is the owner. */
  ownDocument(): ComposedDocument | undefined;
  callStarted(call: BackendCall): void;
  callEnded(call: BackendCall): void;
  subscriptionEnded(subscription: Subscription): void;
  /** Somebody began to watch, is seen as another than before, or has ended. */
  watcherChanged(watcher: Watcher): void;
  /** {@link WatchedUser.nextWakeMs} may be another now. */
  settle(): void;
}

/**
 * The watchers' part: clients of this server who watch a user, and the one view that they share, wherever the user's
 * owner is. Made for the first watcher, closed after the last.
 */
export class WatchedUser implements Subject, CallOwner {
  readonly event = PRESENCE_EVENT;
  readonly accept = PIDF_CONTENT_TYPE;
  readonly aor: Aor;
  readonly watcher: Aor;
  readonly #context: PresenceContext;
  readonly #host: WatchedUserHost;
  readonly #watchers = new Set<Watcher>();
  readonly #view: BackendView;
  #watch: OwnerWatch | undefined;
  #call: BackendCall | undefined;
  /** What watchers see. It outlives moves and deaths of owners. */
  #shown: ShownDocument | undefined;
  #versions = 0;

  /**
   * @param init.watcher the first one: back-end subscriptions are made on behalf of them
   * @param init.restored the watchers have been told of the user by an earlier run of this process
   */
  constructor(
    context: PresenceContext,
    host: WatchedUserHost,
    init: { readonly aor: Aor; readonly watcher: Aor; readonly restored: boolean },
  ) {
    this.#context = context;
    this.#host = host;
    this.aor = init.aor;
    this.watcher = init.watcher;
    this.#view = new BackendView(
      { self: context.locator.self, times: context.times.backend, restored: init.restored },
      context.clock.monotonicMs(),
    );
  }

  get watcherCount(): number {
    return this.#watchers.size;
  }

  get viewState(): ViewState {
    return this.#view.state;
  }

  /** The last watcher has gone, or this server goes. */
  close(): void {
    this.#watch?.close();
    this.#perform(this.#view.close());
  }

  get watchers(): Iterable<Watcher> {
    return this.#watchers;
  }

  /** The first one makes this server follow the user. */
  addWatcher(watcher: Watcher): void {
    this.#watchers.add(watcher);
    if (this.#watch === undefined) this.#open();
    watcher.tell();
    this.#host.watcherChanged(watcher);
    this.#host.settle();
  }

  /** A watcher that is no dialog of its own has gone. */
  removeWatcher(watcher: Watcher): void {
    if (!this.#watchers.delete(watcher)) return;
    this.#host.watcherChanged(watcher);
    this.#host.settle();
  }

  shownTo(): ShownDocument | undefined {
    return this.#shown;
  }

  entityTag(): string | undefined {
    return this.#shown && entityTagOf(this.#shown);
  }

  content(): Content | undefined {
    return this.#shown && documentContent(this.#shown);
  }

  /** What watchers see was valid when it was shown, and it stands until something newer takes its place, whoever owns the user. */
  mayShow(): boolean {
    return true;
  }

  standingChanged(watcher: Watcher): void {
    this.#host.watcherChanged(watcher);
  }

  ended(subscription: Subscription): void {
    this.#watchers.delete(subscription);
    this.#host.watcherChanged(subscription);
    this.#host.subscriptionEnded(subscription);
  }

  /** This server owns the user now. */
  owned(epoch: Epoch): void {
    this.#perform(this.#view.ownedHere(epoch));
  }

  /** This server owns the user no more. */
  lost(): void {
    this.#perform(this.#view.lostHere(this.#instant()));
  }

  /** The own composition is another. */
  composed({ body, said }: ComposedDocument): void {
    this.#perform(this.#view.composed({ document: body, said }, this.#instant()));
  }

  subscribeAnswered(call: number, result: SubscribeResult): void {
    const isBusy = result.kind === "failed" && result.retryAfterSeconds !== undefined && result.isFull !== true;
    if (isBusy || (result.kind === "failed" && result.isCutOff === true && this.#view.isAsking)) this.#noteRestart();
    this.#perform(this.#view.subscribeAnswered(call, result, this.#instant()));
  }

  notified(call: number, content: NotifyContent): void {
    if (content.kind === "terminated" && content.reason === "probation") this.#noteRestart();
    this.#perform(this.#view.notified(call, content, this.#instant()));
  }

  /** What the owner has said of this user holds for all of its users: there may be no time to say so of each, nor to ask. */
  #noteRestart(): void {
    const { restarts, clock, times } = this.#context;
    if (this.#call !== undefined)
      restarts.set(this.#call.owner.server, clock.monotonicMs() + times.backend.restoreGraceMs);
  }

  linkUp(server: ServerId): void {
    this.#perform(this.#view.linkUp(server, this.#instant()));
  }

  nextWakeMs(): number | undefined {
    return this.#view.nextWakeMs();
  }

  tick(): void {
    const isExpected = this.#context.contacts.isResting(this.aor);
    this.#perform(this.#view.tick({ ...this.#instant(), isExpected }));
  }

  #open(): void {
    const epoch = this.#host.check();
    if (epoch !== undefined) this.owned(epoch);
    this.#watch = this.#context.locator.watch(this.aor, (change) =>
      this.#context.userTimes.during(this.watcher, () => this.#ownerChanged(change)),
    );
  }

  #ownerChanged(change: OwnerChange): void {
    if (this.#view.state.kind === "closed") return;
    // What holds at this instant counts, not what a push said of an earlier one.
    const epoch = this.#host.check();
    if (epoch !== undefined) this.owned(epoch);
    else this.#perform(this.#view.ownerChanged(change, this.#instant()));
  }

  #located(location: Location, known: Epoch | undefined): void {
    if (this.#view.state.kind === "closed") return;
    const epoch = this.#host.check();
    if (epoch !== undefined) this.owned(epoch);
    else if (location.kind !== "here") this.#perform(this.#view.located(location, this.#instant(), known));
  }

  #perform(effects: readonly ViewEffect[]): void {
    for (const effect of effects) this.#carryOut(effect);
    this.#host.settle();
  }

  #carryOut(effect: ViewEffect): void {
    switch (effect.kind) {
      case "subscribe":
        return this.#startCall(effect);
      case "refresh":
        void this.#call?.subscribe();
        return;
      case "unsubscribe":
        this.#call?.unsubscribe();
        this.#forgetCall();
        return;
      case "forget":
        this.#forgetCall();
        return;
      case "locate":
        this.#context.lookups.ask(this.aor, {
          isWanted: () => this.#view.state.kind !== "closed" && this.#view.state.kind !== "here",
          begin: () => this.#lookUp(effect.known),
        });
        return;
      case "show":
        this.#show("active", effect.document);
        return;
      case "show-closed":
        this.#show("pending", serializePidf(compose({ presentity: this.aor, publications: [], contacts: [] })));
        return;
      case "show-own": {
        const document = this.#host.ownDocument();
        if (document !== undefined) this.composed(document);
        return;
      }
    }
  }

  async #lookUp(known: Epoch | undefined): Promise<void> {
    const { locator, logger } = this.#context;
    const location = await locator.locate(this.aor).catch((error: unknown): Location => {
      logger.warn({ aor: this.aor, err: error }, "a watched user could not be looked up");
      return { kind: "unavailable", reason: String(error) };
    });
    this.#context.userTimes.during(this.watcher, () => this.#located(location, known));
  }

  #startCall({ call: number, owner, isQuestion }: ViewEffect & { readonly kind: "subscribe" }): void {
    const call = new BackendCall(this.#context, { view: this, call: number, owner });
    this.#call = call;
    this.#host.callStarted(call);
    this.#context.backendSubscribes.ask(this.aor, {
      isWanted: () => this.#call === call,
      begin: async () => {
        const { restartUntilMs = 0, nowMs } = this.#instant();
        // While this waited for its turn, another was answered.
        if (isQuestion && restartUntilMs > nowMs)
          this.#perform(this.#view.subscribeAnswered(number, BUSY, this.#instant()));
        else await call.subscribe();
      },
    });
  }

  #forgetCall(): void {
    if (this.#call !== undefined) this.#host.callEnded(this.#call);
    this.#call = undefined;
  }

  #show(standing: ShownDocument["standing"], body: Uint8Array): void {
    const before = this.#shown;
    const isSameBody = before !== undefined && Buffer.compare(before.body, body) === 0;
    if (isSameBody && before.standing === standing) return;
    // The same words are no news by themselves; each dialog knows whether its standing is.
    if (!isSameBody) this.#versions += 1;
    this.#shown = { standing, version: this.#versions, body };
    this.#context.fanOut.tell(this.#watchers);
  }

  #instant(): Instant {
    const { former } = this.#view;
    const restartUntilMs = former && this.#context.restarts.get(former);
    const nowMs = this.#context.clock.monotonicMs();
    return { nowMs, random: this.#context.random(), ...(restartUntilMs !== undefined && { restartUntilMs }) };
  }
}
