import type { Aor } from "../../../dht-schema/aor.ts";
import type { Epoch } from "../../../dht-schema/ballot.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import type { Task } from "../../runtime/scheduler.ts";
import type { PublishEvent, PublishOutcome } from "../publication/publications.ts";
import type { BackendCall } from "./backend-call.ts";
import type { PresenceContext } from "./presence-context.ts";
import type { ComposedDocument, ServedUserListener } from "./served-user.ts";
import { ServedUser } from "./served-user.ts";
import type { Subscription } from "./subscription.ts";
import type { Watcher } from "./watcher.ts";
import type { WatchedUserHost } from "./watched-user.ts";
import { WatchedUser } from "./watched-user.ts";
import type { WatcherInfoHost } from "./watcher-info.ts";
import { WatcherInfo } from "./watcher-info.ts";

/** Where a presentity's dialogs are found by their tags. */
export interface PresentityHost {
  callStarted(call: BackendCall): void;
  callEnded(call: BackendCall): void;
  subscriptionEnded(subscription: Subscription): void;
  /** Nothing is left to keep: the next request for the user makes another. */
  emptied(presentity: Presentity): void;
}

/**
 * Everything this server has to do with one user: the owner's part and the watchers' part, which meet where the user is
 * owned by the server that the watchers are on.
 */
export class Presentity implements ServedUserListener, WatchedUserHost, WatcherInfoHost, Task {
  dueMs = Infinity;
  place = -1;
  readonly aor: Aor;
  readonly served: ServedUser;
  readonly #context: PresenceContext;
  readonly #host: PresentityHost;
  #watched: WatchedUser | undefined;
  /** Told to the user. */
  #watchers: WatcherInfo | undefined;
  /** Told to other servers, for the user. */
  #watchersHere: WatcherInfo | undefined;

  constructor(context: PresenceContext, host: PresentityHost, aor: Aor) {
    this.#context = context;
    this.#host = host;
    this.aor = aor;
    this.served = new ServedUser(context, aor, this);
  }

  get watched(): WatchedUser | undefined {
    return this.#watched;
  }

  /** A subject for the watchers of the user; `watcher` is the first of them when there is none yet, `restored` from an earlier run. */
  watchedBy(watcher: Aor, restored = false): WatchedUser {
    this.#watched ??= new WatchedUser(this.#context, this, { aor: this.aor, watcher, restored });
    return this.#watched;
  }

  /** Who watches the user: everywhere, for the user's own clients, or on this server, for another. */
  watchers(scope: "everywhere" | "here", restored = false): WatcherInfo {
    const make = (): WatcherInfo => new WatcherInfo(this.#context, this, { aor: this.aor, scope, restored });
    if (scope === "here") return (this.#watchersHere ??= make());
    return (this.#watchers ??= make());
  }

  publish(event: PublishEvent): PublishOutcome | undefined {
    const outcome = this.served.publish(event);
    this.settle();
    return outcome;
  }

  contactsChanged(): void {
    this.served.contactsChanged();
    this.settle();
  }

  lose(): void {
    this.served.lose();
    this.settle();
  }

  dropRested(): void {
    this.served.dropRested();
    this.settle();
  }

  linkUp(server: ServerId): void {
    this.#watched?.linkUp(server);
    this.#watchers?.linkUp(server);
    this.settle();
  }

  due(nowMs: number): void {
    this.served.tick(nowMs);
    this.#watched?.tick();
    this.settle();
  }

  /** This server goes away: owners are told that we watch no more. */
  drain(): void {
    this.#watched?.close();
    this.#watchers?.close();
    this.settle();
  }

  owned(epoch: Epoch): void {
    this.#watched?.owned(epoch);
    this.#watchers?.refresh();
  }

  lost(): void {
    this.#watched?.lost();
    this.#watchers?.lost();
  }

  peersChanged(): void {
    this.#watchers?.refresh();
  }

  watchersHere(): Iterable<Watcher> {
    return this.#watched?.watchers ?? [];
  }

  peers(): Iterable<ServerId> {
    return this.served.peers;
  }

  get servedSinceMs(): number | undefined {
    return this.served.servedSinceMs;
  }

  composed(document: ComposedDocument): void {
    this.#watched?.composed(document);
  }

  check(): Epoch | undefined {
    return this.served.check();
  }

  ownDocument(): ComposedDocument | undefined {
    return this.served.document;
  }

  callStarted(call: BackendCall): void {
    this.#host.callStarted(call);
  }

  callEnded(call: BackendCall): void {
    this.#host.callEnded(call);
  }

  watcherChanged(watcher: Watcher): void {
    this.#watchers?.watcherChanged(watcher);
    this.#watchersHere?.watcherChanged(watcher);
  }

  subscriptionEnded(subscription: Subscription): void {
    this.#host.subscriptionEnded(subscription);
    this.settle();
  }

  /** Called after whatever may have changed something: keeps the next wake-up, and lets go of what nobody needs. */
  settle(): void {
    if (this.#watched?.watcherCount === 0) {
      const unwatched = this.#watched;
      this.#watched = undefined;
      unwatched.close();
    }
    this.#closeWatcherInfo();
    const isAskedFor = this.#watchers !== undefined || this.#watchersHere !== undefined;
    if (this.#watched === undefined && !isAskedFor && this.served.isIdle) {
      this.#context.scheduler.remove(this);
      this.#host.emptied(this);
      return;
    }
    const nextMs = Math.min(this.served.nextWakeMs() ?? Infinity, this.#watched?.nextWakeMs() ?? Infinity);
    this.#context.scheduler.schedule(this, nextMs);
  }

  #closeWatcherInfo(): void {
    if (this.#watchers?.isIdle === true) {
      this.#watchers.close();
      this.#watchers = undefined;
    }
    if (this.#watchersHere?.isIdle === true) this.#watchersHere = undefined;
  }
}
