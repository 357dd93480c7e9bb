import type { PrivateKey } from "@libp2p/interface";
import type { Multiaddr } from "@multiformats/multiaddr";
import { formatInviteToken } from "../../dht-schema/invite-token.ts";
import type { Hello } from "../../dht-schema/link-frames.ts";
import { PROTOCOL_VERSIONS } from "../../dht-schema/link-frames.ts";
import type { Roster, ServerId } from "../../dht-schema/roster.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";
import { areListenAddresses } from "./addresses.ts";
import { meshCounter } from "./counters.ts";
import { Dialer } from "./dialer.ts";
import type { Guard } from "./guard.ts";
import { addressesOf, fullAddressesOf } from "./host.ts";
import type { InviteBook } from "./invite-book.ts";
import type { BindingRecords, MeshDatastore } from "./kad-records.ts";
import type { PeerHello } from "./link-core.ts";
import { Links } from "./links.ts";
import type { Mesh, MeshChannel, MeshEvent, PeerStatus } from "./mesh.ts";
import type { MeshHost } from "./mesh-host.ts";
import type { RosterKeeper, RosterOrigin } from "./roster-keeper.ts";
import { notSteward } from "./roster-keeper.ts";

/** A mesh with its life cycle. */
export interface MeshNode extends Mesh {
  /** How often this node has started: greater than at every earlier start. */
  readonly boot: number;
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
}

export interface MeshParts {
  readonly privateKey: PrivateKey;
  readonly boot: number;
  readonly name: string;
  readonly software: string;
  readonly host: MeshHost;
  readonly keeper: RosterKeeper;
  readonly book: InviteBook;
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
  readonly #parts: MeshParts;
  readonly #links: Links;
  readonly #receivers = new Map<MeshChannel, (from: ServerId, message: Uint8Array) => void>();
  readonly #listeners = new Set<(event: MeshEvent) => void>();
  #life: "created" | "started" | "stopped" = "created";

  constructor(parts: MeshParts) {
    this.#parts = parts;
    this.self = parts.host.peerId.toString() as ServerId;
    const owner = {
      linkUp: (server: ServerId, peer: PeerHello) => this.#linkUp(server, peer),
      linkDown: (server: ServerId, reason: string) => this.#emit({ kind: "link-down", server, reason }),
      message: (from: ServerId, channel: MeshChannel, message: Uint8Array) =>
        this.#receivers.get(channel)?.(from, message),
      roster: (from: ServerId, signed: Uint8Array) => void this.#rosterPushed(from, signed),
      signedRoster: () => parts.keeper.signed,
      hello: () => this.#hello(),
    };
    this.#links = new Links(parts.host, new Dialer(parts.host, parts.bootstrap), parts.guard, owner, parts);
    parts.keeper.onChange((roster, origin) => this.#rosterChanged(roster, origin));
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

  roster(): Roster {
    return this.#parts.keeper.roster;
  }

  async start(): Promise<void> {
    if (this.#life !== "created") return;
    this.#life = "started";
    await this.#links.start(this.roster());
    await this.#correctAddresses(this.self, this.addresses());
  }

  async stop(): Promise<void> {
    if (this.#life === "stopped") return;
    this.#life = "stopped";
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

  serveBindings(records: BindingRecords): void {
    this.#parts.datastore.records = records;
  }

  #hello(): Hello {
    const { version, revision } = this.roster();
    return {
      minVersion: PROTOCOL_VERSIONS.min,
      maxVersion: PROTOCOL_VERSIONS.max,
      software: this.#parts.software,
      name: this.#parts.name,
      boot: this.boot,
      rosterVersion: version,
      rosterRevision: revision,
      addresses: this.addresses(),
    };
  }

  #linkUp(server: ServerId, peer: PeerHello): void {
    this.#emit({ kind: "link-up", server });
    void this.#correctAddresses(server, peer.hello.addresses);
    for (const connection of this.#parts.host.getConnections()) {
      if (connection.remotePeer.toString() === server) this.#parts.host.linked(connection);
    }
  }

  async #rosterPushed(from: ServerId, signed: Uint8Array): Promise<void> {
    const { keeper, counters, logger } = this.#parts;
    try {
      const verdict = await keeper.accept(signed);
      if (verdict === "accepted") counters.add(meshCounter.rostersAccepted);
      if (verdict !== "conflict") return;
      counters.add(meshCounter.rosterConflicts);
      logger.error(
        { from },
        "two stewards signed different rosters of the same revision; this server keeps the first it saw",
      );
    } catch (error) {
      counters.add(meshCounter.rostersRefused);
      logger.warn({ from, reason: (error as Error).message }, "roster refused");
    }
  }

  #rosterChanged(roster: Roster, origin: RosterOrigin): void {
    if (!this.#parts.keeper.isServer(this.self))
      this.#parts.logger.error({}, "this server was taken out of the roster");
    this.#parts.host.review();
    if (this.#life === "started") this.#links.setRoster(roster, origin === "here");
    this.#emit({ kind: "roster", roster });
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
