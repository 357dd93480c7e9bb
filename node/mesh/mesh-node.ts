import { randomInt } from "node:crypto";
import type { Connection, PrivateKey } from "@libp2p/interface";
import type { Multiaddr } from "@multiformats/multiaddr";
import { formatInviteToken } from "../../dht-schema/invite-token.ts";
import type { Hello } from "../../dht-schema/link-frames.ts";
import { PROTOCOL_VERSIONS } from "../../dht-schema/link-frames.ts";
import { ROSTER_PROTOCOL } from "../../dht-schema/roster-messages.ts";
import type { Roster, ServerId } from "../../dht-schema/roster.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";
import { areListenAddresses } from "./addresses.ts";
import { meshCounter } from "./counters.ts";
import { Dialer } from "./dialer.ts";
import type { FormerServer } from "./former-servers.ts";
import type { Guard } from "./guard.ts";
import { addressesOf, fullAddressesOf } from "./host.ts";
import type { InviteBook } from "./invite-book.ts";
import type { BindingRecords, MeshDatastore } from "./kad-records.ts";
import type { PeerHello, RosterMark } from "./link-core.ts";
import { isForkedMark } from "./link-core.ts";
import { Links } from "./links.ts";
import type { Mesh, MeshChannel, MeshEvent, PeerStatus } from "./mesh.ts";
import type { MeshHost } from "./mesh-host.ts";
import { askRoster, showRemoved } from "./ask-roster.ts";
import { RosterDoor } from "./roster-door.ts";
import type { RosterKeeper, RosterOrigin } from "./roster-keeper.ts";
import { notSteward } from "./roster-keeper.ts";
import { Stewardship } from "./stewardship.ts";
import type { VoterContact } from "./voter-contact.ts";

/** A mesh with its life cycle. */
export interface MeshNode extends Mesh {
  /** How often this node has started: greater than at every earlier start. */
  readonly boot: number;
  /** Whether a peer has seen this server with newer data: it has no links then, and will get none. */
  readonly isOutdated: boolean;
  /** Begins to accept and open links. Set the receivers before. Idempotent. */
  start(): Promise<void>;
  /** Says goodbye and closes everything. Idempotent; a stopped mesh is not started again. */
  stop(): Promise<void>;
  /**
   * Makes a token that lets one server join, once; a spare steward gets a copy of the domain's key.
   * @throws {OperationalError} `NOT_A_STEWARD`
   * @throws {ConfigurationError} `BAD_TTL`
   */
  createInvite(invite: { readonly ttlMs: number; readonly steward: boolean }): string;
  /** What kad-dht answers to GET_VALUE from now on. */
  serveBindings(records: BindingRecords): void;
  /** Changes of the roster by operators. */
  readonly stewardship: Stewardship;
  /** Servers that have a different roster of the version and revision in force here. There are none unless a steward was restored from an old copy. */
  forks(): readonly ServerId[];
}

export interface MeshParts {
  readonly privateKey: PrivateKey;
  readonly boot: number;
  readonly name: string;
  readonly software: string;
  readonly host: MeshHost;
  readonly keeper: RosterKeeper;
  readonly book: InviteBook;
  readonly contact: VoterContact;
  readonly guard: Guard;
  /** Addresses that an operator gave. */
  readonly bootstrap: readonly Multiaddr[];
  readonly datastore: MeshDatastore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: Counters;
  readonly random: () => number;
}

/** The mesh on libp2p. @see createMesh */
export class LibP2pMesh implements MeshNode {
  readonly self: ServerId;
  readonly stewardship: Stewardship;
  readonly #parts: MeshParts;
  readonly #links: Links;
  readonly #rosterDoor: RosterDoor;
  readonly #receivers = new Map<MeshChannel, (from: ServerId, message: Uint8Array) => void>();
  readonly #listeners = new Set<(event: MeshEvent) => void>();
  readonly #forked = new Set<ServerId>();
  #wasConfirmed = false;
  #life: "created" | "started" | "stopped" = "created";
  isOutdated = false;
  /** Tells this life of the server from every other. */
  readonly #instance = randomInt(2 ** 48 - 1);

  constructor(parts: MeshParts) {
    this.#parts = parts;
    this.self = parts.host.peerId.toString() as ServerId;
    const owner = {
      linkUp: (server: ServerId, peer: PeerHello) => this.#linkUp(server, peer),
      linkDown: (server: ServerId, reason: string) => {
        this.#wasConfirmed &&= this.#isConfirmed();
        this.#emit({ kind: "link-down", server, reason });
      },
      message: (from: ServerId, channel: MeshChannel, message: Uint8Array) =>
        this.#receivers.get(channel)?.(from, message),
      roster: (from: ServerId, signed: Uint8Array) => void this.#rosterPushed(from, signed),
      rosterMark: () => this.#marksChanged(),
      rosterRefused: (by: ServerId) => void this.stewardship.overcome(by),
      signedRoster: () => parts.keeper.signed,
      hello: () => this.#hello(),
      outdated: (server: ServerId) => this.#outdated(server),
    };
    this.#links = new Links(parts.host, new Dialer(parts.host, parts.bootstrap), parts.guard, owner, parts);
    parts.keeper.onChange((roster, origin) => this.#rosterChanged(roster, origin));
    parts.contact.look({ own: () => this.#mark(), others: () => this.#links.marks() });
    const isUp = (server: ServerId) => this.isUp(server);
    this.stewardship = new Stewardship({
      ...parts,
      self: this.self,
      isUp,
      ask: (server, type, body) => askRoster(parts.host, server, type, body),
    });
    this.#rosterDoor = new RosterDoor(parts, {
      leave: (peer) => this.stewardship.takeLeave(peer),
      removed: (peer, signed) => void this.#rosterPushed(peer as ServerId, signed),
    });
    parts.host.addEventListener("connection:open", this.#connected);
  }

  get privateKey(): PrivateKey {
    return this.#parts.privateKey;
  }

  get boot(): number {
    return this.#parts.boot;
  }

  get isSteward(): boolean {
    return this.#parts.keeper.isSteward;
  }

  get holdsDomainKey(): boolean {
    return this.#parts.keeper.domainKey !== undefined;
  }

  roster(): Roster {
    return this.#parts.keeper.roster;
  }

  former(): readonly FormerServer[] {
    return this.#parts.keeper.former();
  }

  async start(): Promise<void> {
    if (this.#life !== "created") return;
    this.#life = "started";
    const { host, guard } = this.#parts;
    const onQuestion = guard.wrap(ROSTER_PROTOCOL, (stream, connection) => this.#rosterDoor.handle(stream, connection));
    await host.handle(ROSTER_PROTOCOL, onQuestion);
    await this.#links.start(this.roster(), this.#mark());
    this.#marksChanged();
  }

  async stop(): Promise<void> {
    if (this.#life === "stopped") return;
    this.#life = "stopped";
    this.#parts.host.removeEventListener("connection:open", this.#connected);
    await this.#parts.host.unhandle([ROSTER_PROTOCOL]);
    await this.#links.stop();
    await this.#parts.host.stop();
  }

  send(to: ServerId, channel: MeshChannel, message: Uint8Array): boolean {
    return this.#links.send(to, channel, message);
  }

  receive(channel: MeshChannel, receiver: (from: ServerId, message: Uint8Array) => void): void {
    this.#receivers.set(channel, receiver);
  }

  on(listener: (event: MeshEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  isUp(server: ServerId): boolean {
    return this.#links.isUp(server);
  }

  peers(): readonly PeerStatus[] {
    return this.#links.status();
  }

  addresses(): readonly string[] {
    return addressesOf(this.#parts.host);
  }

  async publishRoster(next: Roster): Promise<void> {
    await this.#parts.keeper.update(() => next);
  }

  createInvite({ ttlMs, steward }: { readonly ttlMs: number; readonly steward: boolean }): string {
    const { keeper, book, host } = this.#parts;
    if (!keeper.isSteward) throw notSteward(keeper.roster);
    const { secret, expiresAtMs } = book.create(ttlMs, steward);
    const addresses = fullAddressesOf(host);
    return formatInviteToken({
      domain: keeper.roster.domain,
      domainPublicKey: keeper.domainPublicKey,
      addresses,
      secret,
      expiresAtMs,
    });
  }

  forks(): readonly ServerId[] {
    const own = this.#mark();
    return [...this.#links.marks()].flatMap(([server, mark]) => (isForkedMark(mark, own) ? [server] : []));
  }

  serveBindings(records: BindingRecords): void {
    this.#parts.datastore.records = records;
  }

  /** To go on beside promises that it has forgotten would not be safe. What it owned before it was put back it does not own now. */
  #outdated(server: ServerId): void {
    if (this.isOutdated) return;
    this.isOutdated = true;
    this.#parts.logger.error(
      { peer: server },
      "the data of this server is older than what others have seen of it: it was put back from a backup. It takes no further part: take it out of the roster, and let it join anew with an empty data folder",
    );
    this.#emit({ kind: "outdated" });
    void this.#links.stop();
  }

  #hello(): Hello {
    return {
      minVersion: PROTOCOL_VERSIONS.min,
      maxVersion: PROTOCOL_VERSIONS.max,
      software: this.#parts.software,
      name: this.#parts.name,
      boot: this.boot,
      instance: this.#instance,
      ...this.#mark(),
      addresses: this.addresses(),
    };
  }

  /** Which roster is in force here. */
  #mark(): RosterMark {
    const { keeper } = this.#parts;
    const { version, revision } = keeper.roster;
    return { rosterVersion: version, rosterRevision: revision, rosterDigest: keeper.digest };
  }

  #linkUp(server: ServerId, peer: PeerHello): void {
    this.#emit({ kind: "link-up", server });
    this.#marksChanged();
    if (this.#wasConfirmed) void this.#correctAddresses(server, peer.hello.addresses);
    for (const connection of this.#parts.host.getConnections()) {
      if (connection.remotePeer.toString() === server) this.#parts.host.linked(connection);
    }
  }

  async #rosterPushed(from: ServerId, signed: Uint8Array): Promise<void> {
    const { keeper, counters, logger } = this.#parts;
    try {
      const verdict = await keeper.accept(signed);
      if (verdict === "accepted") counters.add(meshCounter.rostersAccepted);
      if (verdict === "promised") {
        counters.add(meshCounter.rostersRefused);
        logger.warn({ from }, "roster refused: another server is taking the steward's role over");
      } else this.#links.rosterTaken(from);
    } catch (error) {
      counters.add(meshCounter.rostersRefused);
      logger.warn({ from, reason: (error as Error).message }, "roster refused");
    }
  }

  #rosterChanged(roster: Roster, origin: RosterOrigin): void {
    const { keeper, host, logger } = this.#parts;
    if (!keeper.isMember) {
      logger.warn({ version: roster.version }, "this server is no longer in the roster");
      this.#emit({ kind: "removed", roster });
      // Nobody takes a link from it any more.
      void this.#links.stop();
      return;
    }
    if (this.#life === "started") this.#links.setRoster(roster, this.#mark(), origin === "here");
    host.review();
    this.#emit({ kind: "roster", roster });
    this.#wasConfirmed &&= this.#isConfirmed();
    this.#marksChanged();
  }

  /** A server that was taken out comes back: it learns so. */
  readonly #connected = ({ detail: connection }: CustomEvent<Connection>): void => {
    const { keeper, logger } = this.#parts;
    const peer = connection.remotePeer.toString();
    if (this.#life !== "started" || connection.direction !== "inbound" || !keeper.isFormer(peer)) return;
    logger.info({ peer }, "a server that was taken out of the roster is told so");
    showRemoved(connection, keeper.signed).catch((error: Error) => {
      logger.debug({ peer, reason: error.message }, "a former server could not be told");
    });
  };

  /** What servers say of their rosters, or who is linked, has changed. */
  #marksChanged(): void {
    const { contact, keeper, counters, logger } = this.#parts;
    if (!keeper.isMember) return;
    contact.changed();
    const forks = new Set(this.forks());
    for (const server of forks) {
      if (this.#forked.has(server)) continue;
      counters.add(meshCounter.rosterConflicts);
      logger.error(
        { server },
        "this server has a different roster of the same version and revision, signed by the domain's key",
      );
    }
    this.#forked.clear();
    for (const server of forks) this.#forked.add(server);
    // Once confirmed it is looked at again when a link is lost; before a roster is made, in any case.
    if (!this.#wasConfirmed && this.#isConfirmed()) {
      this.#wasConfirmed = true;
      void this.#correctAddresses(this.self, this.addresses());
      for (const [server, addresses] of this.#links.helloAddresses()) void this.#correctAddresses(server, addresses);
    }
  }

  #isConfirmed(): boolean {
    const { contact, keeper } = this.#parts;
    return keeper.isSteward && contact.isConfirmed(keeper.roster);
  }

  /** A steward keeps the addresses in the roster true: a server's own HELLO is what it believes. */
  async #correctAddresses(id: ServerId, addresses: readonly string[]): Promise<void> {
    const { keeper, logger } = this.#parts;
    if (!keeper.isSteward || addresses.length === 0 || !areListenAddresses(addresses)) return;
    try {
      await keeper.update((roster) => {
        const server = roster.servers.find((one) => one.id === id);
        if (server === undefined || server.addresses.join() === addresses.join()) return undefined;
        const servers = roster.servers.map((one) => (one === server ? { ...one, addresses } : one));
        return { ...roster, revision: roster.revision + 1, servers };
      });
    } catch (error) {
      logger.warn({ peer: id, reason: (error as Error).message }, "the roster's addresses could not be corrected");
    }
  }

  #emit(event: MeshEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}
