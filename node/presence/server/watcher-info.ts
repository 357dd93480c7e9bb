import { createHash } from "node:crypto";
import type { Aor } from "../../../dht-schema/aor.ts";
import type { Epoch } from "../../../dht-schema/ballot.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { limits } from "../../runtime/limits.ts";
import type { Task } from "../../runtime/scheduler.ts";
import { secondsLeft } from "../../runtime/seconds-left.ts";
import { WINFO_EVENT } from "../answer.ts";
import type { DocumentBounds } from "../subscription/change-log.ts";
import { ChangeLog } from "../subscription/change-log.ts";
import type { EndReason, Shown } from "../subscription/notifier-dialog.ts";
import type { WatcherEntry, WatcherEvent } from "../watcherinfo/watcherinfo-document.ts";
import { bytesOfWatcher, serializeWatcherInfo, WATCHERINFO_CONTENT_TYPE } from "../watcherinfo/watcherinfo-document.ts";
import type { BackendCall } from "./backend-call.ts";
import type { PresenceContext } from "./presence-context.ts";
import type { Content, ContentRequest, Subject, Subscriber } from "./subject.ts";
import type { Subscription } from "./subscription.ts";
import type { Watcher } from "./watcher.ts";
import { WatcherFeed } from "./watcher-feed.ts";

/** What the watchers of a user need of what is around them. */
export interface WatcherInfoHost {
  /** The epoch under which this server owns the user at this instant. */
  check(): Epoch | undefined;
  /** Since when other servers can have subscribed to the user here, ms. */
  readonly servedSinceMs: number | undefined;
  /** Who watches the user here. */
  watchersHere(): Iterable<Watcher>;
  /** Which servers do for their clients. */
  peers(): Iterable<ServerId>;
  callStarted(call: BackendCall): void;
  callEnded(call: BackendCall): void;
  subscriptionEnded(subscription: Subscription): void;
}

/** A watcher as it is told, with the times that its document counts from. */
interface Told {
  readonly entry: WatcherEntry;
  readonly sinceMs: number;
  readonly expiresAtMs: number;
}

const BOUNDS: DocumentBounds<Told> = {
  items: limits.presence.watchersTold,
  bytes: limits.presence.toldBytes,
  bytesOf: ({ entry }) => bytesOfWatcher(entry),
};

/**
 * Who watches a user. The user is told of all: those on this server, and those on others, each of which is asked for its own as
 * long as somebody wants to know. Another server is told of those here only, so that a question never goes in a circle.
 * @see RFC 3857, RFC 3858
 */
export class WatcherInfo implements Subject, Task {
  dueMs = Infinity;
  place = -1;
  readonly event = WINFO_EVENT;
  readonly aor: Aor;
  readonly #scope: "everywhere" | "here";
  readonly #context: PresenceContext;
  readonly #host: WatcherInfoHost;
  readonly #subscriptions = new Set<Subscription>();
  readonly #log = new ChangeLog<Told>(limits.presence.changesRemembered);
  readonly #feeds = new Map<ServerId, WatcherFeed>();
  /** Which of the entries are another server's. */
  readonly #ofServer = new Map<string, ServerId>();
  /** The user who was here in an earlier run is claimed again until then, or is somewhere else. */
  readonly #restoredUntilMs: number;
  /** Since when the user is served here as it is known, ms. */
  #servedSinceMs: number | undefined;
  /** Other servers with watchers subscribe to a new owner by themselves until then: who asks once would be told of nobody on them. */
  #peersUntilMs = -Infinity;
  /** For what those say that have only just been asked it is waited until then. */
  #askedUntilMs = -Infinity;
  /** Who has had the first word, for which all this is waited for, and hears of each change. */
  readonly #heard = new WeakSet<Subscriber>();

  /** @param init.restored subscribers come from an earlier run: the user is claimed again in a while, or is somewhere else */
  constructor(
    context: PresenceContext,
    host: WatcherInfoHost,
    init: { readonly aor: Aor; readonly scope: "everywhere" | "here"; readonly restored: boolean },
  ) {
    this.#context = context;
    this.#host = host;
    this.aor = init.aor;
    this.#scope = init.scope;
    for (const watcher of host.watchersHere()) this.#set(watcher);
    this.#restoredUntilMs = init.restored ? this.#nowMs() + context.times.backend.restoreGraceMs : -Infinity;
    this.#schedule();
  }

  get isIdle(): boolean {
    return this.#subscriptions.size === 0;
  }

  add(subscription: Subscription): void {
    this.#subscriptions.add(subscription);
    this.refresh();
    subscription.tell();
  }

  /** Whatever decides whom to ask may have changed: the ownership, or the servers that watch. */
  refresh(): void {
    if (this.#scope === "here") return;
    const epoch = this.#subscriptions.size === 0 ? undefined : this.#host.check();
    const peers = new Set(epoch === undefined ? [] : this.#host.peers());
    const hadFeeds = this.#feeds.size > 0;
    for (const [server, feed] of this.#feeds) {
      if (epoch !== undefined && peers.has(server) && feed.isUnder(epoch)) continue;
      this.#feeds.delete(server);
      feed.close();
    }
    for (const server of peers) {
      if (epoch === undefined || this.#feeds.has(server)) continue;
      const feed = new WatcherFeed(this.#context, this.#host, { aor: this.aor, server, epoch, listener: this });
      this.#feeds.set(server, feed);
      feed.start();
    }
    this.#await(!hadFeeds && this.#feeds.size > 0);
    this.#forget();
    this.#context.fanOut.tell(this.#subscriptions);
  }

  linkUp(server: ServerId): void {
    this.#feeds.get(server)?.linkUp();
  }

  /** This server owns the user no more: the user is to ask where they are now. */
  lost(): void {
    // First: who watches is not known here any more, and would be told as nobody.
    if (this.#scope === "everywhere") this.#endActive("deactivated");
    this.refresh();
  }

  /** Somebody here began to watch, is seen as another, or has ended. */
  watcherChanged(watcher: Watcher): void {
    const { endReason } = watcher;
    if (endReason === undefined) this.#set(watcher);
    else this.#log.remove(idOf(watcher.id), (told) => ended(told, endReason));
    this.#context.fanOut.tell(this.#subscriptions);
  }

  /** What another server says of its watchers. @param all every one of them */
  feedChanged(server: ServerId, watchers: readonly WatcherEntry[], all: boolean): void {
    const nowMs = this.#nowMs();
    const named = new Set<string>();
    for (const watcher of watchers) {
      const id = idOf(`${server} ${watcher.id}`);
      named.add(id);
      const entry = { ...watcher, id };
      const told = {
        entry,
        sinceMs: nowMs - (watcher.durationSeconds ?? 0) * 1000,
        expiresAtMs: watcher.expirationSeconds === undefined ? Infinity : nowMs + watcher.expirationSeconds * 1000,
      };
      if (watcher.status === "terminated") {
        this.#ofServer.delete(id);
        this.#log.remove(id, () => told);
        continue;
      }
      this.#ofServer.set(id, server);
      if (!isSame(this.#log.get(id), told)) this.#log.set(id, told);
    }
    if (all) this.#removeOf(server, named);
    this.#context.fanOut.tell(this.#subscriptions);
  }

  due(nowMs: number): void {
    this.#schedule();
    this.#forget();
    if (nowMs >= this.#restoredUntilMs && this.#host.check() === undefined) this.#endActive("deactivated");
    // Those that wait as before, or have come meanwhile, have heard nothing yet.
    this.#context.fanOut.tell(this.#subscriptions);
  }

  close(): void {
    this.#context.scheduler.remove(this);
    for (const feed of this.#feeds.values()) feed.close();
    this.#feeds.clear();
  }

  /** Until the user is here there is nothing to say but that: `pending`. After a restart that is left unsaid for a while. */
  shownTo(subscriber: Subscriber): Shown | undefined {
    if (this.#scope === "here" || this.#host.check() !== undefined) {
      const waits = this.#isAwaited && !this.#heard.has(subscriber);
      return waits ? undefined : { standing: "active", version: this.#log.version };
    }
    return this.#nowMs() < this.#restoredUntilMs ? undefined : { standing: "pending", version: 0 };
  }

  /** Whether other servers may say at any moment who watches there. */
  get #isAwaited(): boolean {
    const nowMs = this.#nowMs();
    if (nowMs < this.#peersUntilMs) return true;
    return nowMs < this.#askedUntilMs && [...this.#feeds.values()].some(({ isAwaited }) => isAwaited);
  }

  /** @param isAsking the first of them have been asked */
  #await(isAsking: boolean): void {
    const { settleMs } = this.#context.times.backend;
    const { servedSinceMs } = this.#host;
    if (isAsking) this.#askedUntilMs = this.#nowMs() + settleMs;
    if (servedSinceMs !== undefined && servedSinceMs !== this.#servedSinceMs)
      this.#peersUntilMs = servedSinceMs + settleMs;
    this.#servedSinceMs = servedSinceMs;
    this.#schedule();
  }

  /** While who watches is known elsewhere alone: first an empty list (RFC 6665 §4.2.2), then nothing, for what was told stands. */
  content(subscriber: Subscriber, { since, sequence }: ContentRequest): Content | undefined {
    const isKnown = this.#scope === "here" || this.#host.check() !== undefined;
    if (isKnown) this.#heard.add(subscriber);
    if (!isKnown && sequence > 0) return undefined;
    const { full, items } = isKnown ? this.#log.told(since, BOUNDS) : { full: true, items: [] };
    const nowMs = this.#nowMs();
    const watchers = items.map(({ entry, sinceMs, expiresAtMs }) => ({
      ...entry,
      durationSeconds: Math.max(0, Math.floor((nowMs - sinceMs) / 1000)),
      ...(entry.status === "terminated" || expiresAtMs === Infinity
        ? {}
        : { expirationSeconds: secondsLeft(expiresAtMs, nowMs) }),
    }));
    const body = serializeWatcherInfo({ version: sequence, full, resource: this.aor, watchers });
    return { contentType: WATCHERINFO_CONTENT_TYPE, body };
  }

  mayShow(): boolean {
    return true;
  }

  ended(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    this.#host.subscriptionEnded(subscription);
  }

  #set({ id, aor, isActive, sinceMs, expiresAtMs }: Watcher): void {
    const entry: WatcherEntry = {
      id: idOf(id),
      uri: aor,
      status: isActive ? "active" : "pending",
      event: isActive ? "approved" : "subscribe",
    };
    const told = { entry, sinceMs, expiresAtMs };
    if (!isSame(this.#log.get(entry.id), told)) this.#log.set(entry.id, told);
  }

  /** Whom servers have named that are not asked any more. Where the user goes on under another epoch these are asked again in a moment, and nobody has gone. */
  #forget(): void {
    if (this.#nowMs() < this.#peersUntilMs) return;
    for (const server of new Set(this.#ofServer.values()))
      if (!this.#feeds.has(server)) this.#removeOf(server, new Set());
  }

  #removeOf(server: ServerId, but: ReadonlySet<string>): void {
    for (const [id, owner] of this.#ofServer) {
      if (owner !== server || but.has(id)) continue;
      this.#ofServer.delete(id);
      this.#log.remove(id, (told) => ended(told, "timeout"));
    }
  }

  #endActive(reason: EndReason): void {
    for (const subscription of this.#subscriptions) if (subscription.isActive) subscription.terminate(reason);
  }

  #schedule(): void {
    const nowMs = this.#nowMs();
    const waits = [this.#restoredUntilMs, this.#peersUntilMs, this.#askedUntilMs].filter((untilMs) => untilMs > nowMs);
    this.#context.scheduler.schedule(this, Math.min(...waits));
  }

  #nowMs(): number {
    return this.#context.clock.monotonicMs();
  }
}

function ended(told: Told, reason: EndReason): Told {
  const event: WatcherEvent = reason === "invariant" ? "noresource" : reason;
  return { ...told, entry: { ...told.entry, status: "terminated", event } };
}

/** A refresh alone is no news: it changes the expiry, and nothing that anybody decides by. */
function isSame(known: Told | undefined, told: Told): boolean {
  return known !== undefined && known.entry.status === told.entry.status && known.entry.uri === told.entry.uri;
}

/** The tag of a dialog is between its ends; what is shown of it names it only. */
function idOf(id: string): string {
  return createHash("sha256").update(id).digest("base64url").slice(0, 16);
}
