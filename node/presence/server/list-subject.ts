import type { Aor } from "../../../dht-schema/aor.ts";
import { limits } from "../../runtime/limits.ts";
import { randomTag } from "../../sip/message/tags.ts";
import type { Task } from "../../runtime/scheduler.ts";
import { PRESENCE_EVENT } from "../answer.ts";
import { EVENTLIST } from "../lists/extensions.ts";
import { ListState } from "../lists/list-state.ts";
import type { EndReason, Shown } from "../subscription/notifier-dialog.ts";
import type { PresenceContext } from "./presence-context.ts";
import type { Presentity } from "./presentity.ts";
import type { Content, ContentRequest, Subject } from "./subject.ts";
import type { Subscription } from "./subscription.ts";
import type { WatchedUser } from "./watched-user.ts";
import type { Watcher } from "./watcher.ts";

/** What a list needs of what is around it. */
export interface ListHost {
  presentity(aor: Aor): Presentity;
  subscriptionEnded(subscription: Subscription): void;
  /** A user watches so many members more, or fewer. */
  listMembersChanged(user: Aor, by: number): void;
}

/** Who is on the list at this moment; `undefined` where there is no such list any more. */
export type ListSource = () => readonly Aor[] | undefined;

/**
 * A list that one client has subscribed to: watches its members as the client would, by the views that all watchers of this server share,
 * and tells of all in one dialog.
 * @see RFC 4662 §4
 */
export class ListSubject implements Subject, Task {
  dueMs = Infinity;
  place = -1;
  readonly event = PRESENCE_EVENT;
  readonly isList = true;
  readonly answerHeaders = [["Require", EVENTLIST]] as const;
  readonly aor: Aor;
  readonly #context: PresenceContext;
  readonly #host: ListHost;
  readonly #subscriber: Aor;
  readonly #source: ListSource;
  readonly #state: ListState;
  readonly #members = new Map<Aor, ListMember>();
  #subscription: Subscription | undefined;
  #version = 1;
  /** Before that there may be nothing to say of some members. */
  #isSettled = false;
  /** The subscriber has seen the members in an earlier run of this process, and has been told nothing in this one. */
  #isResumed = false;

  constructor(
    context: PresenceContext,
    host: ListHost,
    init: { readonly aor: Aor; readonly subscriber: Aor; readonly source: ListSource },
  ) {
    this.#context = context;
    this.#host = host;
    this.aor = init.aor;
    this.#subscriber = init.subscriber;
    this.#source = init.source;
    this.#state = new ListState(this.aor, init.source() ?? [], limits.presence.lists.notifyBytes);
  }

  /** @param restored the subscription is one of an earlier run */
  add(subscription: Subscription, restored = false): void {
    this.#subscription = subscription;
    if (this.#source() === undefined) return subscription.terminate("noresource");
    this.#isResumed = restored && subscription.isActive;
    if (this.#isResumed) this.#state.resume();
    // Each view has something to say by then; after a restart those that have not leave standing what was seen before.
    const waitMs = this.#context.times.backend.settleMs * 1.1;
    this.#context.scheduler.schedule(this, this.#context.clock.monotonicMs() + waitMs);
    for (const member of this.#state.members) this.#watch(member, this.#isResumed);
    this.#tell();
  }

  /** The subscriber has refreshed, and is told all: the list may have been changed since. */
  refreshed(): void {
    const members = this.#source();
    if (members === undefined) return this.#subscription?.terminate("noresource");
    this.#isResumed = false;
    this.#become(members);
    this.#tell();
  }

  #become(members: readonly Aor[]): void {
    const now = new Set(members);
    const isSame = now.size === this.#members.size && members.every((member) => this.#members.has(member));
    if (isSame) return;
    this.#state.become(members);
    for (const [aor, member] of this.#members) if (!now.has(aor)) this.#unwatch(member);
    for (const aor of members) if (!this.#members.has(aor)) this.#watch(aor, false);
    this.#version += 1;
  }

  /** A member is to be seen as another than before. */
  memberChanged(aor: Aor, watched: WatchedUser): void {
    const shown = watched.shownTo();
    if (shown === undefined) return;
    this.#state.update(aor, shown);
    this.#version += 1;
    this.#tell();
  }

  due(): void {
    this.#isSettled = true;
    this.#tell();
  }

  shownTo(): Shown | undefined {
    const isTold = this.#state.isComplete || (this.#isSettled && (!this.#isResumed || this.#state.isDirty));
    return isTold ? { standing: "active", version: this.#version } : undefined;
  }

  content(_subscriber: unknown, { since, sequence }: ContentRequest): Content {
    const all = since === undefined && (!this.#isResumed || this.#state.isComplete);
    this.#isResumed = false;
    const request = { all, version: sequence, boundary: randomTag() };
    const { contentType, body } = this.#state.take(request);
    // What did not fit goes with the next NOTIFY.
    if (this.#state.isDirty) {
      this.#version += 1;
      this.#context.timers.after(0, () => this.#tell());
    }
    return { contentType, body, headers: this.answerHeaders };
  }

  mayShow(): boolean {
    return true;
  }

  ended(subscription: Subscription): void {
    this.#context.scheduler.remove(this);
    for (const member of this.#members.values()) this.#unwatch(member);
    this.#host.subscriptionEnded(subscription);
  }

  #watch(aor: Aor, restored: boolean): void {
    const watched = this.#host.presentity(aor).watchedBy(this.#subscriber, restored);
    const member = new ListMember(this, watched, this.#subscription as Subscription, restored);
    this.#members.set(aor, member);
    this.#host.listMembersChanged(this.#subscriber, 1);
    watched.addWatcher(member);
  }

  #unwatch(member: ListMember): void {
    this.#members.delete(member.watched.aor);
    this.#host.listMembersChanged(this.#subscriber, -1);
    member.endReason = this.#subscription?.endReason ?? "timeout";
    member.watched.removeWatcher(member);
  }

  #tell(): void {
    if (this.#subscription !== undefined) this.#context.fanOut.tell([this.#subscription]);
  }
}

/** One who watches a member, for the subscriber of a list. */
class ListMember implements Watcher {
  readonly id: string;
  readonly aor: Aor;
  readonly watched: WatchedUser;
  endReason: EndReason | undefined;
  readonly #list: ListSubject;
  readonly #subscription: Subscription;
  #wasActive: boolean;

  /** @param wasActive it was, in an earlier run of this process */
  constructor(list: ListSubject, watched: WatchedUser, subscription: Subscription, wasActive: boolean) {
    this.#wasActive = wasActive;
    this.#list = list;
    this.watched = watched;
    this.#subscription = subscription;
    this.id = subscription.localTag;
    this.aor = subscription.aor;
  }

  get isActive(): boolean {
    const shown = this.watched.shownTo();
    return shown === undefined ? this.#wasActive : shown.standing === "active";
  }

  get sinceMs(): number {
    return this.#subscription.sinceMs;
  }

  get expiresAtMs(): number {
    return this.#subscription.expiresAtMs;
  }

  tell(): void {
    const { isActive } = this;
    if (isActive !== this.#wasActive) {
      this.#wasActive = isActive;
      this.watched.standingChanged(this);
    }
    this.#list.memberChanged(this.watched.aor, this.watched);
  }
}
