import type { Aor } from "../../dht-schema/aor.ts";
import { formatBallot } from "../../dht-schema/ballot.ts";
import type { Roster, ServerId } from "../../dht-schema/roster.ts";
import { isJoint } from "../../dht-schema/roster.ts";
import { formatSocketAddress } from "../config/values.ts";
import type { Directory } from "../directory/directory.ts";
import type { ReplicaInspection } from "../directory/inspection.ts";
import type { MissingPart } from "../history/other-servers.ts";
import type { MeshNode } from "../mesh/mesh-node.ts";
import type { Clock } from "../runtime/clock.ts";
import { OperationalError } from "../runtime/errors.ts";
import { limits } from "../runtime/limits.ts";
import type { Counters } from "../runtime/metrics.ts";
import { software } from "../runtime/version.ts";
import type { ListenAddress } from "../sip/stack.ts";
import type { SipSide } from "../sip-side.ts";
import type { HistoryQuery, UserStore } from "../storage/ports.ts";
import type { StorageProblem } from "../storage/storage-problem.ts";
import type { ReplicaAnswer } from "./explain-lookup.ts";
import { explainLookup, serverOf } from "./explain-lookup.ts";
import type { Departure } from "../departure.ts";
import { describeContact } from "./describe-contact.ts";
import type {
  ContactsView,
  DrainView,
  HistoryRemovedView,
  HistoryView,
  NodeState,
  NodeStatus,
  NodeView,
  PeerDetail,
  PeerView,
  RosterControl,
  RosterView,
  ServerRef,
  WatchEvent,
} from "./node-view.ts";

/** The parts of a running node that operators look into. */
export interface LiveViewComponents {
  readonly mesh: MeshNode;
  readonly directory: Directory;
  readonly users: UserStore;
  readonly lists: NodeView["lists"];
  /** Set while the disk cannot be written. */
  readonly storageProblem: () => StorageProblem | undefined;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly departure: Pick<Departure, "state">;
  /** What the node is doing at this instant. */
  readonly state: () => NodeState;
  readonly sip: Pick<SipSide, "stack" | "certificatesExpireAtMs" | "registrar" | "presence" | "held" | "history">;
}

/** The view of a running node. */
export function createLiveView(components: LiveViewComponents): NodeView {
  return new LiveView(components);
}

class LiveView implements NodeView {
  readonly users: UserStore;
  readonly lists: NodeView["lists"];
  readonly control: RosterControl;
  readonly #parts: LiveViewComponents;
  readonly #startedAtMs: number;
  readonly #self: ServerRef;

  constructor(components: LiveViewComponents) {
    this.#parts = components;
    this.users = components.users;
    this.lists = components.lists;
    this.control = components.mesh.stewardship;
    this.#startedAtMs = components.clock.wallMs();
    this.#self = this.#server(components.mesh.self);
  }

  status(): NodeStatus {
    const { mesh, directory, sip, counters } = this.#parts;
    const roster = mesh.roster();
    const peers = mesh.peers();
    const { registers, sessions, watches } = directory.stats();
    const { rss, heapUsed } = process.memoryUsage();
    const storageProblem = this.#parts.storageProblem();
    const certificateExpiresAtMs = sip.certificatesExpireAtMs();
    return {
      server: this.#server(mesh.self),
      domain: roster.domain,
      state: this.#state(),
      software,
      startedAtMs: this.#startedAtMs,
      boot: mesh.boot,
      steward: mesh.isSteward,
      leaseMs: roster.leaseMs,
      roster: {
        version: roster.version,
        revision: roster.revision,
        servers: roster.servers.length,
        voters: roster.voters.length,
        forks: mesh.forks().map((server) => this.#server(server)),
      },
      peers: { up: peers.filter(({ state }) => state === "up").length, all: peers.length },
      sip: sip.stack.listening().map(describeListener),
      mesh: mesh.addresses(),
      ...(Number.isFinite(certificateExpiresAtMs) && { certificateExpiresAtMs }),
      owned: directory.stats().owned,
      registrar: sip.registrar.status(),
      presence: sip.presence.status(),
      room: { users: limits.registrar.aors, subscriptions: limits.presence.subscriptions },
      held: sip.held.status,
      history: sip.history.status(),
      replica: { registers, sessions, watches },
      ...(mesh.isOutdated && { oldData: true as const }),
      ...(storageProblem && { storageProblem }),
      memory: { rssBytes: rss, heapBytes: heapUsed },
      counters: counters.snapshot(),
    };
  }

  peers(): readonly PeerView[] {
    const { mesh } = this.#parts;
    const { version } = mesh.roster();
    const self: PeerView = {
      self: true,
      ...this.#server(mesh.self),
      addresses: mesh.addresses(),
      software,
      rosterVersion: version,
      boot: mesh.boot,
    };
    const others = mesh.peers().map((peer): PeerView => ({ self: false, ...peer }));
    return [self, ...others].sort((a, b) => a.number - b.number);
  }

  peer(id: ServerId): PeerDetail | undefined {
    const { mesh, directory } = this.#parts;
    const peer = this.peers().find((one) => one.id === id);
    if (peer === undefined) return undefined;
    const session = directory.sessions().find(({ server }) => server === id);
    let ownsByOurRegisters = 0;
    for (const { epoch } of directory.holdings()) if (epoch.member === peer.number) ownsByOurRegisters++;
    return {
      peer,
      voter: mesh.roster().voters.includes(peer.number),
      ...(session !== undefined && {
        session: {
          server: this.#server(id),
          state: session.leaseLeftMs > 0 ? "live" : "none",
          leaseLeftMs: session.leaseLeftMs,
        },
      }),
      ownsByOurRegisters,
    };
  }

  async lookup(aor: Aor) {
    const { mesh, directory } = this.#parts;
    const inspections = await directory.inspect(aor);
    const roster = mesh.roster();
    return explainLookup(
      aor,
      roster,
      inspections.map((inspection) => answerOf(roster, inspection)),
    );
  }

  *bindings() {
    const { directory } = this.#parts;
    for (const { aor, epoch, ownedForMs } of directory.bindings()) {
      yield { aor, epoch: formatBallot(epoch), ownedForMs, leaseLeftMs: directory.leaseLeftMs(aor) };
    }
  }

  async contacts(aor: Aor): Promise<ContactsView> {
    const { directory, sip, clock } = this.#parts;
    await this.#assertNotElsewhere(aor);
    const registrations = sip.registrar.registrationsOf(aor);
    const state = registrations.length === 0 ? "none" : directory.owned(aor) === undefined ? "resting" : "served";
    return { aor, state, contacts: registrations.map((binding) => describeContact(binding, clock.monotonicMs())) };
  }

  async removeContacts(aor: Aor, uri?: string): Promise<readonly string[]> {
    await this.#assertNotElsewhere(aor);
    return this.#parts.sip.registrar.removeContacts(aor, uri);
  }

  /** What is bound here is for this server to tell; of anybody else the directory knows where they are. */
  async #assertNotElsewhere(aor: Aor): Promise<void> {
    const { directory, sip } = this.#parts;
    if (directory.owned(aor) !== undefined || sip.registrar.registrationsOf(aor).length > 0) return;
    const { state, owner } = await this.lookup(aor);
    if (state === "unclear")
      throw new OperationalError("OWNER_UNCLEAR", `no majority of the replicas says where ${aor} is: try again`);
    if (owner === undefined || owner.id === this.#self.id) return;
    const { name, number } = owner;
    throw new OperationalError(
      "OWNED_ELSEWHERE",
      `${aor} is on ${name} (server ${number}): ask its node, by the same command with --data or --admin of ${name}`,
    );
  }

  roster(): RosterView {
    const { mesh, directory } = this.#parts;
    const roster = mesh.roster();
    const { domain, version, revision, leaseMs, driftPpm, steward, voters, oldVoters, leaving, gone } = roster;
    const reports = directory.stewardReports();
    const servers = roster.servers.map(({ number, id, addresses }) => ({
      ...serverOf(roster, number),
      addresses,
      steward: number === steward,
      voter: voters.includes(number),
      oldVoter: oldVoters.includes(number),
      leaving: leaving.includes(number),
      gone: gone.includes(number),
      up: id === mesh.self || mesh.isUp(id as ServerId),
      ...withOwned(reports.get(number)),
    }));
    return { domain, version, revision, leaseMs, driftPpm, joint: isJoint(roster), servers };
  }

  async drain(): Promise<void> {
    const { mesh, departure } = this.#parts;
    if (departure.state.kind === "staying") await mesh.stewardship.leave();
  }

  drainView(): DrainView {
    const { mesh, directory, departure, sip } = this.#parts;
    const roster = mesh.roster();
    const { state } = departure;
    const server = this.#server(mesh.self);
    const steward = serverOf(roster, roster.steward);
    return {
      server,
      domain: roster.domain,
      state: state.kind === "over" ? (state.departed.inOrder ? "left" : "removed") : state.kind,
      voter: roster.voters.includes(server.number) || roster.oldVoters.includes(server.number),
      joint: isJoint(roster),
      owned: directory.stats().owned,
      watchers: sip.presence.status().watchers,
      steward,
      stewardUp: mesh.isSteward || mesh.isUp(steward.id),
    };
  }

  watch(aor: Aor, listener: (event: WatchEvent) => void): () => void {
    const { directory, clock } = this.#parts;
    const watch = directory.watch(aor, (change) => {
      const atMs = clock.wallMs();
      if (change.kind !== "owner") return listener({ kind: change.kind, atMs });
      listener({ kind: "owner", atMs, owner: this.#server(change.server), epoch: formatBallot(change.epoch) });
    });
    return () => watch.close();
  }

  async history(query: HistoryQuery, everywhere: boolean): Promise<HistoryView> {
    const { entries, more, missing } = await this.#parts.sip.history.search(query, everywhere);
    return {
      messages: entries.map(({ server, peer, sent, atMs, text }) => ({
        server: this.#server(server),
        peer,
        sent,
        atMs,
        text,
      })),
      more,
      missing: this.#missing(missing),
    };
  }

  async removeHistory(user: Aor, everywhere: boolean): Promise<HistoryRemovedView> {
    const { removed, missing } = await this.#parts.sip.history.remove(user, everywhere);
    return { removed, missing: this.#missing(missing) };
  }

  #missing(parts: readonly MissingPart[]): HistoryView["missing"] {
    return parts.map(({ server, reason }) => ({ server: this.#server(server), reason }));
  }

  async invite({ ttlMs, steward }: { readonly ttlMs: number; readonly steward: boolean }) {
    const { mesh, clock } = this.#parts;
    return { token: mesh.createInvite({ ttlMs, steward }), expiresAtMs: clock.wallMs() + ttlMs };
  }

  #state(): NodeState {
    const state = this.#parts.state();
    if (state !== "running") return state;
    const { kind } = this.#parts.departure.state;
    return kind === "staying" ? "running" : kind === "leaving" ? "draining" : "removed";
  }

  #server(id: ServerId): ServerRef {
    const roster = this.#parts.mesh.roster();
    const number = roster.servers.find((server) => server.id === id)?.number;
    // Once it is out of the roster it still has a name.
    if (number === undefined && id === this.#parts.mesh.self) return this.#self;
    const former = number === undefined ? this.#parts.mesh.former().find((server) => server.id === id) : undefined;
    if (former !== undefined) return { number: former.number, id, name: former.name };
    return { ...serverOf(roster, number ?? 0), id };
  }
}

function withOwned(report: { readonly owned: number } | undefined): { owned?: number } {
  return report === undefined ? {} : { owned: report.owned };
}

function describeListener({ transport, address, port }: ListenAddress): string {
  return `${transport.toLowerCase()} ${formatSocketAddress({ address, port })}`;
}

function answerOf(roster: Roster, { server, answer, promised, accepted }: ReplicaInspection): ReplicaAnswer {
  return {
    member: roster.servers.find(({ id }) => id === server)?.number ?? 0,
    answer,
    ...(promised !== undefined && { promised }),
    ...(accepted !== undefined && { accepted: { ballot: accepted.epoch, validForMs: accepted.validForMs } }),
  };
}
