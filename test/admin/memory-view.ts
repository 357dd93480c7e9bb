import type { Aor } from "../../dht-schema/aor.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import type {
  BindingView,
  NodeState,
  NodeView,
  RosterControl,
  RosterView,
  ServerRef,
  WatchEvent,
} from "../../node/admin/node-view.ts";
import { DomainLists } from "../../node/presence/lists/domain-lists.ts";
import { systemClock } from "../../node/runtime/clock.ts";
import { silentLogger } from "../../node/runtime/logger.ts";
import { createCounters } from "../../node/runtime/metrics.ts";
import { systemTimers } from "../../node/runtime/timers.ts";
import type { HistoryQuery } from "../../node/storage/ports.ts";
import { openMemoryStorage } from "../../node/storage/storage.ts";

export const berlin: ServerRef = { number: 1, id: "12D3KooWBerlin" as ServerId, name: "berlin" };
export const paris: ServerRef = { number: 2, id: "12D3KooWParis" as ServerId, name: "paris" };

/** A view of a node that is not there: its users are in a real store, the rest is what the test puts in. */
export class MemoryView implements NodeView {
  state: NodeState = "running";
  owned: BindingView[] = [];
  failure: Error | undefined;
  historyAsked: object | undefined;
  readonly watchers = new Set<(event: WatchEvent) => void>();
  #unwatched = Promise.withResolvers<void>();
  readonly users = openMemoryStorage().users;
  readonly lists = new DomainLists({
    store: openMemoryStorage().lists,
    stack: { send: () => Promise.reject(new Error("there are no others")) },
    users: this.users,
    ...{ others: () => [], domain: "example.com", clock: systemClock, timers: systemTimers },
    ...{ counters: createCounters(), logger: silentLogger },
  });

  status() {
    if (this.failure !== undefined) throw this.failure;
    return {
      server: berlin,
      domain: "example.com",
      state: this.state,
      software: "aorta/0",
      startedAtMs: 0,
      boot: 1,
      steward: true,
      leaseMs: 10_000,
      roster: { version: 1, revision: 1, servers: 2, voters: 1, forks: [] },
      peers: { up: 1, all: 1 },
      sip: [],
      mesh: [],
      owned: this.owned.length,
      registrar: { users: 0, contacts: 0, reclaiming: 0 },
      presence: { presentities: 0, publications: 0, watchers: 0, peerSubscriptions: 0, views: {} },
      room: { users: 1000, subscriptions: 2000 },
      held: { recipients: 0, messages: 0 },
      history: {},
      replica: { registers: 0, sessions: 0, watches: 0 },
      memory: { rssBytes: 1, heapBytes: 1 },
      counters: {},
    };
  }
  peers() {
    return [{ self: true as const, ...berlin, addresses: [], software: "aorta/0", rosterVersion: 1, boot: 1 }];
  }
  peer(server: ServerId) {
    return server === berlin.id ? { peer: this.peers()[0]!, voter: true, ownsByOurRegisters: 0 } : undefined;
  }
  /** Users on the other server. */
  readonly inParis = new Set<Aor>();
  async lookup(aor: Aor) {
    if (this.inParis.has(aor)) return { aor, state: "owned" as const, owner: paris, replicas: [] };
    return { aor, state: "nobody" as const, replicas: [] };
  }
  bindings() {
    return this.owned;
  }
  contactsRemoved: unknown[] = [];
  async contacts(aor: Aor) {
    if (this.failure !== undefined) throw this.failure;
    const contact = { uri: "sip:alice@192.0.2.1", expiresInMs: 60_000, flow: "udp 192.0.2.1:5060", connected: false };
    const rest = { path: [], instance: "", q: 1, userAgent: "", callId: "c", cseq: 1 };
    return { aor, state: "served" as const, contacts: [{ ...contact, ...rest }] };
  }
  async removeContacts(aor: Aor, uri?: string) {
    const { contacts } = await this.contacts(aor);
    this.contactsRemoved.push([aor, uri]);
    return contacts.map((contact) => contact.uri).filter((bound) => uri === undefined || bound === uri);
  }
  async history(query: HistoryQuery, everywhere: boolean) {
    this.historyAsked = { ...query, everywhere };
    const messages = [{ server: paris, peer: "sip:bob@example.com", sent: true, atMs: 7, text: "hello" }];
    return { messages, more: false, missing: [{ server: berlin, reason: "no answer" }] };
  }
  historiesRemoved: unknown[] = [];
  async removeHistory(user: Aor, everywhere: boolean) {
    this.historiesRemoved.push([user, everywhere]);
    return { removed: 3, missing: [{ server: paris, reason: "no answer" }] };
  }
  roster(): RosterView {
    const servers = [berlin, paris].map((server) => ({
      ...server,
      addresses: [],
      steward: server === berlin,
      voter: true,
      oldVoter: false,
      leaving: false,
      gone: false,
      up: true,
    }));
    return { domain: "example.com", version: 1, revision: 1, leaseMs: 10_000, driftPpm: 10_000, joint: false, servers };
  }
  /** What was asked of the roster, in order. */
  readonly asked: unknown[][] = [];
  readonly control: RosterControl = {
    remove: async (...given) => this.#ask("remove", given),
    promote: async (...given) => this.#ask("promote", given),
    replace: async (...given) => this.#ask("replace", given),
    handOn: async (...given) => this.#ask("handOn", given),
    seize: async (...given) => this.#ask("seize", given),
  };
  #ask(what: string, given: unknown[]) {
    if (this.failure !== undefined) throw this.failure;
    this.asked.push([what, ...given]);
  }
  async drain() {
    this.#ask("drain", []);
  }
  drainView() {
    return {
      server: berlin,
      domain: "example.com",
      state: "leaving" as const,
      voter: true,
      joint: false,
      owned: this.owned.length,
      watchers: 0,
      steward: paris,
      stewardUp: true,
    };
  }
  watch(_aor: Aor, listener: (event: WatchEvent) => void) {
    this.watchers.add(listener);
    listener({ kind: "nobody", atMs: 1 });
    return () => {
      if (this.watchers.delete(listener)) this.#unwatched.resolve();
    };
  }
  /** Resolves when a watch ends. */
  nextUnwatch(): Promise<void> {
    this.#unwatched = Promise.withResolvers();
    return this.#unwatched.promise;
  }
  async invite({ ttlMs, steward }: { ttlMs: number; steward: boolean }) {
    return { token: `token-${steward}`, expiresAtMs: ttlMs };
  }
}
