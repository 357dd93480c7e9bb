import type { RequestIdentity } from "../../federation/identity.ts";
import { limits } from "../../runtime/limits.ts";
import { WorkWindow } from "../../runtime/work-window.ts";
import type { IncomingRequest } from "../../sip/stack.ts";
import { Scheduler } from "../../runtime/scheduler.ts";
import { unavailable } from "../answer.ts";
import type { PresenceServer, PresenceStatus } from "../presence-server.ts";
import { FanOut } from "./fan-out.ts";
import { NotifyHandler } from "./notify-handler.ts";
import type { PresenceBounds, PresenceComponents, PresenceContext, PresenceTimes } from "./presence-context.ts";
import { DEFAULT_PRESENCE_TIMES } from "./presence-context.ts";
import { PublicationJournal } from "./publication-journal.ts";
import { PublishHandler } from "./publish-handler.ts";
import { Registry } from "./registry.ts";
import { respond } from "./respond.ts";
import { SubscribeHandler } from "./subscribe-handler.ts";
import { SubscriptionJournal } from "./subscription-journal.ts";

/** What can be set; what is not given has its default. */
export interface PresenceOptions {
  readonly times?: Partial<PresenceTimes>;
  readonly bounds?: Partial<PresenceBounds>;
  /** @default "takeover" */
  readonly policy?: PresenceContext["policy"];
}

/** The presence server of a node. */
export function createPresenceServer(
  components: PresenceComponents,
  { times, bounds, policy = "takeover" }: PresenceOptions = {},
): PresenceServer {
  const allTimes = { ...DEFAULT_PRESENCE_TIMES, ...times };
  const { storage } = components;
  const context: PresenceContext = {
    ...components,
    userTimes: components.userTimes ?? { during: (_user, work) => work() },
    times: allTimes,
    policy,
    bounds: { ...limits.presence, ...bounds },
    scheduler: new Scheduler(components.clock, components.timers),
    fanOut: new FanOut(components.timers),
    restarts: new Map(),
    lookups: new WorkWindow(limits.presence.lookups, components.timers),
    backendSubscribes: new WorkWindow(limits.presence.backendSubscribes, components.timers),
    journal: new SubscriptionJournal({ ...components, store: storage.subscriptions }),
    publications: new PublicationJournal(
      { ...components, store: storage.publications },
      allTimes.publication.maxSeconds,
    ),
  };
  const registry = new Registry(context);
  const publish = new PublishHandler(context, registry);
  const subscribe = new SubscribeHandler(context, registry);
  const notify = new NotifyHandler(context, registry);
  let state:
    | { readonly kind: "new" }
    | { readonly kind: "running"; readonly stopListening: readonly (() => void)[] }
    | { readonly kind: "stopped" } = { kind: "new" };

  /** A server that does not run says so. */
  const guarded =
    (handler: { handle(incoming: IncomingRequest, identity: RequestIdentity): void }) =>
    (incoming: IncomingRequest, identity: RequestIdentity) => {
      if (state.kind === "running") handler.handle(incoming, identity);
      else respond(incoming, unavailable(1));
    };

  return {
    start() {
      if (state.kind !== "new") return;
      const { locator, contacts, links } = components;
      state = {
        kind: "running",
        stopListening: [
          locator.onLost(({ aor, reason }) => {
            registry.presentities.get(aor)?.lose();
            // What the user says next is said elsewhere; where the leases ran out it rests until the user is claimed again.
            if (reason !== "expired") context.publications.shed(aor);
          }),
          contacts.onChange((aor) => {
            // A user who was claimed again, and whose publications rested, has a presentity from now on.
            const known = registry.presentities.get(aor);
            if (known !== undefined) known.contactsChanged();
            else if (context.publications.has(aor)) registry.presentity(aor).contactsChanged();
          }),
          contacts.onRegistration((aor, registration, change) =>
            registry.registrationChanged(aor, registration, change),
          ),
          links.onUp((server) => registry.linkUp(server)),
        ],
      };
      for (const restored of context.journal.restore(allTimes.subscription.maxSeconds)) subscribe.restore(restored);
    },
    async stop({ forGood = false } = {}) {
      if (state.kind !== "running") return;
      for (const stop of state.stopListening) stop();
      state = { kind: "stopped" };
      const { drainMs } = context.times;
      await registry.letGo(forGood, components.clock.monotonicMs() + drainMs);
      await Promise.race([
        registry.leave(forGood, components.clock.monotonicMs() + drainMs),
        new Promise<void>((resolve) => components.timers.after(drainMs, resolve)),
      ]);
      context.scheduler.stop();
      context.journal.flush();
    },
    handlePublish: guarded(publish),
    handleSubscribe: guarded(subscribe),
    handleNotify: guarded(notify),
    resting: {
      aors: () => context.publications.aors(),
      has: (aor) => context.publications.has(aor),
      epochOf: (aor) => context.publications.epochOf(aor),
      shed: (aor) => registry.shedRested(aor),
    },
    // Where the disk is full, one of this ownership is in memory alone.
    hasPublications: (aor) =>
      (registry.presentities.get(aor)?.served.publicationCount ?? 0) > 0 || context.publications.has(aor),
    status: () => statusOf(registry),
  };
}

function statusOf(registry: Registry): PresenceStatus {
  const status = { presentities: 0, publications: 0, watchers: 0, peerSubscriptions: 0 };
  const views: Record<string, number> = {};
  for (const { served, watched } of registry.presentities.values()) {
    if (served.isOwned) status.presentities += 1;
    status.publications += served.publicationCount;
    status.peerSubscriptions += served.peerCount;
    if (watched === undefined) continue;
    status.watchers += watched.watcherCount;
    views[watched.viewState.kind] = (views[watched.viewState.kind] ?? 0) + 1;
  }
  return { ...status, views };
}
