import { setTimeout as delay } from "node:timers/promises";
import type { Connection, PeerId, Stream } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import type { Bye, Hello } from "../../dht-schema/link-frames.ts";
import { LINK_PROTOCOL, SIP_PROTOCOL } from "../../dht-schema/link-frames.ts";
import type { Roster, RosterServer, ServerId } from "../../dht-schema/roster.ts";
import type { Clock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";
import { awakeClock } from "./awake-clock.ts";
import { meshCounter } from "./counters.ts";
import type { Dialer } from "./dialer.ts";
import type { Guard } from "./guard.ts";
import type { LinkOwner } from "./link.ts";
import { Link } from "./link.ts";
import type { PeerHello, RosterMark } from "./link-core.ts";
import { pingPace } from "./liveness.ts";
import type { MeshChannel, PeerStatus } from "./mesh.ts";
import type { MeshHost } from "./mesh-host.ts";
import type { PeerEffect } from "./peer-core.ts";
import { PeerCore } from "./peer-core.ts";

/** Why a link to a server whose data was put back is closed. */
const OLD_DATA = "OLD_DATA";
/** Ends of a link that say nothing against the next one. */
const PASSING: ReadonlySet<string> = new Set(["LOST", "SILENT", "GREETING_LATE", "REPLACED", "STOPPING", "REMOVED"]);

/** What links tell the mesh. */
export interface LinksOwner {
  linkUp(server: ServerId, peer: PeerHello): void;
  linkDown(server: ServerId, reason: string): void;
  message(from: ServerId, channel: MeshChannel, message: Uint8Array): void;
  roster(from: ServerId, signed: Uint8Array): void;
  /** A server said that it has another roster than before. */
  rosterMark(from: ServerId): void;
  /** A server does not take our roster. */
  rosterRefused(by: ServerId): void;
  signedRoster(): Uint8Array;
  hello(): Hello;
  /** A server has seen this one with newer data. */
  outdated(server: ServerId): void;
}

export interface LinksContext {
  readonly clock: Clock;
  readonly counters: Counters;
  readonly logger: Logger;
  /** 0 ≤ random() < 1 */
  readonly random: () => number;
}

/** One other server: its state, its link, and what an operator sees of it. */
interface Peer {
  server: RosterServer;
  readonly id: ServerId;
  readonly peerId: PeerId;
  readonly opener: boolean;
  readonly core: PeerCore;
  link: Link | undefined;
  hello: PeerHello | undefined;
  shown: PeerStatus["state"];
  sinceMs: number;
  upSinceMs: number | undefined;
  lastError: string | undefined;
  /** Of the links that have ended. */
  framesIn: number;
  framesOut: number;
  bytesIn: number;
  bytesOut: number;
}

/** Keeps one link to each other server of the roster. */
export class Links {
  readonly #host: MeshHost;
  readonly #dialer: Dialer;
  readonly #guard: Guard;
  readonly #owner: LinksOwner;
  readonly #context: LinksContext;
  readonly #self: ServerId;
  readonly #peers = new Map<string, Peer>();
  #timer: NodeJS.Timeout | undefined;
  readonly #stopping = new AbortController();

  constructor(host: MeshHost, dialer: Dialer, guard: Guard, owner: LinksOwner, context: LinksContext) {
    this.#host = host;
    this.#dialer = dialer;
    this.#guard = guard;
    this.#owner = owner;
    this.#context = { ...context, clock: awakeClock(context.clock, limits.mesh.awakeStepMs) };
    this.#self = host.peerId.toString() as ServerId;
  }

  /** Accepts links and begins to dial. */
  async start(roster: Roster, mark: RosterMark): Promise<void> {
    // A link that the peer has given up may still be closing when its successor opens.
    const options = { maxInboundStreams: 4, maxOutboundStreams: 4 };
    const onLink = this.#guard.wrap(LINK_PROTOCOL, (stream, connection) => this.#linkArrived(stream, connection));
    const onSip = this.#guard.wrap(SIP_PROTOCOL, (stream, connection) => this.#sipArrived(stream, connection));
    await this.#host.handle(LINK_PROTOCOL, onLink, options);
    await this.#host.handle(SIP_PROTOCOL, onSip, options);
    this.#host.addEventListener("connection:open", this.#connected);
    this.setRoster(roster, mark, false);
    this.#timer = setInterval(() => this.#tick(), limits.mesh.tickMs);
    this.#tick();
  }

  /**
   * Says goodbye on all links, after all that was sent before. Whoever hears it closes the connection: were it closed
   * from here, the last messages could be lost on the other side, where its end is noticed before they are read.
   */
  async stop(): Promise<void> {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#stopping.abort();
    this.#host.removeEventListener("connection:open", this.#connected);
    await this.#host.unhandle([LINK_PROTOCOL, SIP_PROTOCOL]);
    const links = [...this.#peers.values()].flatMap(({ link }) => link ?? []);
    const parting = links.map(async (link) => {
      await link.emptied();
      link.end({ code: "STOPPING", reason: "the server is stopping" });
      await link.parted();
    });
    await Promise.race([Promise.all(parting), this.#standstill(links)]);
  }

  /** Resolves when nothing has left by any of the links for a while, or after so long that it does not matter. */
  async #standstill(links: readonly Link[]): Promise<void> {
    const { goodbyeMs, goodbyeMaxMs } = limits.mesh;
    const sent = () => links.reduce((bytes, link) => bytes + link.bytesOut, 0);
    let before = -1;
    for (let waitedMs = 0; waitedMs < goodbyeMaxMs && sent() > before; waitedMs += goodbyeMs) {
      before = sent();
      await delay(goodbyeMs, undefined, { ref: false });
    }
  }

  /** Follows the roster; `push` when it is for us to tell the others. Who is no longer in it is told so in any case. */
  setRoster(roster: Roster, mark: RosterMark, push: boolean): void {
    const nowMs = this.#context.clock.monotonicMs();
    const servers = new Map(roster.servers.map((server) => [server.id, server]));
    servers.delete(this.#self);
    for (const peer of this.#peers.values()) {
      if (servers.has(peer.id)) continue;
      this.#peers.delete(peer.id);
      peer.link?.removed();
    }
    for (const server of servers.values()) {
      const known = this.#peers.get(server.id);
      if (known === undefined) this.#peers.set(server.id, this.#newPeer(server, nowMs));
      else known.server = server;
    }
    for (const peer of this.#peers.values()) {
      peer.link?.rosterChanged(mark, push);
    }
  }

  /** We have the roster that a server pushed, or a newer one. */
  rosterTaken(from: ServerId): void {
    this.#peers.get(from)?.link?.rosterTaken();
  }

  /** Which roster each server has that a link is up to, as it said last. */
  marks(): ReadonlyMap<ServerId, RosterMark> {
    const marks = new Map<ServerId, RosterMark>();
    for (const { id, link } of this.#peers.values()) {
      if (link?.state.kind === "up" && link.peerRoster !== undefined) marks.set(id, link.peerRoster);
    }
    return marks;
  }

  /** Where each server listens that a link is up to, by its own HELLO. */
  helloAddresses(): ReadonlyMap<ServerId, readonly string[]> {
    const up = [...this.#peers.values()].filter(({ link }) => link?.state.kind === "up");
    return new Map(up.flatMap(({ id, hello }) => (hello === undefined ? [] : [[id, hello.hello.addresses] as const])));
  }

  send(to: ServerId, channel: MeshChannel, message: Uint8Array): boolean {
    return this.#peers.get(to)?.link?.send(channel, message) ?? false;
  }

  isUp(server: ServerId): boolean {
    return this.#peers.get(server)?.link?.state.kind === "up";
  }

  status(): readonly PeerStatus[] {
    return [...this.#peers.values()].map(statusOf);
  }

  #newPeer(server: RosterServer, nowMs: number): Peer {
    const opener = this.#self < server.id;
    return {
      server,
      id: server.id as ServerId,
      peerId: peerIdFromString(server.id),
      opener,
      core: new PeerCore(opener, nowMs, this.#context.random()),
      link: undefined,
      hello: undefined,
      shown: "down",
      sinceMs: this.#context.clock.wallMs(),
      upSinceMs: undefined,
      lastError: undefined,
      framesIn: 0,
      framesOut: 0,
      bytesIn: 0,
      bytesOut: 0,
    };
  }

  #tick(): void {
    const nowMs = this.#context.clock.monotonicMs();
    const pace = pingPace(this.#peers.size);
    for (const peer of this.#peers.values()) {
      peer.link?.tick(nowMs, pace);
      this.#do(peer, peer.core.tick(nowMs, this.#context.random()));
      this.#closeSpares(peer, nowMs);
    }
  }

  #do(peer: Peer, effect: PeerEffect | undefined): void {
    this.#show(peer);
    switch (effect?.kind) {
      case undefined:
        break;
      case "dial":
        void this.#dial(peer, effect.attempt);
        break;
      case "open-link":
        void this.#openLink(peer);
        break;
      case "hang-up":
        peer.lastError = `the peer opened no link within ${limits.mesh.waitMs} ms`;
        this.#hangUp(peer, peer.lastError);
        break;
    }
  }

  async #dial(peer: Peer, attempt: number): Promise<void> {
    try {
      await this.#dialer.dial(peer.peerId, peer.server.addresses, attempt, this.#stopping.signal);
      this.#do(peer, peer.core.connected(this.#context.clock.monotonicMs()));
    } catch (error) {
      this.#context.counters.add(meshCounter.dialsFailed);
      this.#failed(peer, (error as Error).message, "dialing");
    }
  }

  async #openLink(peer: Peer): Promise<void> {
    try {
      const connection = this.#host.getConnections(peer.peerId).find((one) => one.status === "open");
      if (connection === undefined) throw new Error("the connection was closed");
      const stream = await connection.newStream(LINK_PROTOCOL, { signal: AbortSignal.timeout(limits.mesh.greetMs) });
      if (this.#stopping.signal.aborted || this.#peers.get(peer.id) !== peer)
        stream.abort(new Error("no longer wanted"));
      else this.#adopt(peer, "opener", stream, connection);
    } catch (error) {
      this.#failed(peer, (error as Error).message, "greeting");
    }
  }

  /** A step of ours towards a link failed; unless something else has happened to the peer meanwhile, it is retried. */
  #failed(peer: Peer, reason: string, during: "dialing" | "greeting"): void {
    if (this.#stopping.signal.aborted || peer.core.state.kind !== during || peer.link !== undefined) return;
    peer.lastError = reason;
    this.#context.logger.debug({ peer: peer.id, name: peer.server.name, reason }, "no link");
    peer.core.failed(this.#context.clock.monotonicMs(), this.#context.random());
    this.#show(peer);
  }

  readonly #connected = (event: CustomEvent<Connection>): void => {
    const peer = this.#peers.get(event.detail.remotePeer.toString());
    if (peer !== undefined) this.#do(peer, peer.core.connected(this.#context.clock.monotonicMs()));
  };

  #linkArrived(stream: Stream, connection: Connection): void {
    const peer = this.#peers.get(connection.remotePeer.toString());
    if (peer === undefined || peer.opener) {
      this.#context.counters.add(meshCounter.streamsRefused);
      stream.abort(new Error("it is not for this peer to open the link"));
      return;
    }
    peer.link?.end({ code: "REPLACED", reason: "the peer opened a newer link" });
    peer.core.linkArrived();
    this.#adopt(peer, "acceptor", stream, connection);
  }

  #sipArrived(stream: Stream, connection: Connection): void {
    const link = this.#peers.get(connection.remotePeer.toString())?.link;
    if (link === undefined || link.role === "opener" || link.connection !== connection) {
      this.#context.counters.add(meshCounter.streamsRefused);
      stream.abort(new Error("no link on this connection"));
      return;
    }
    link.attachSip(stream);
  }

  #adopt(peer: Peer, role: "opener" | "acceptor", stream: Stream, connection: Connection): void {
    const owner: LinkOwner = {
      up: (_link, hello) => this.#linkUp(peer, hello),
      closed: (link, bye) => this.#linkClosed(peer, link, bye),
      message: (channel, message) => this.#owner.message(peer.id, channel, message),
      roster: (_link, signed) => this.#owner.roster(peer.id, signed),
      rosterMark: () => this.#owner.rosterMark(peer.id),
      rosterRefused: () => this.#owner.rosterRefused(peer.id),
      signedRoster: () => this.#owner.signedRoster(),
    };
    peer.link = new Link(role, connection, stream, this.#owner.hello(), owner, this.#context);
    this.#show(peer);
  }

  #linkUp(peer: Peer, hello: PeerHello): void {
    if (peer.hello !== undefined && isOlderLife(hello.hello, peer.hello.hello)) return this.#refuseOldData(peer, hello);
    peer.hello = hello;
    peer.upSinceMs = this.#context.clock.monotonicMs();
    peer.core.linkUp();
    this.#show(peer);
    this.#context.counters.add(meshCounter.linksUp);
    this.#context.logger.info(
      { peer: peer.id, name: peer.server.name, protocol: hello.protocol, software: hello.hello.software },
      "link up",
    );
    this.#owner.linkUp(peer.id, hello);
  }

  /** Its promises as a replica are of an earlier time than those it has given since: it could contradict them. */
  #refuseOldData(peer: Peer, { hello }: PeerHello): void {
    const reason = `it has been seen at start ${peer.hello?.hello.boot}, and says that this is start ${hello.boot}: its data was put back`;
    this.#context.counters.add(meshCounter.oldData);
    this.#context.logger.error({ peer: peer.id, name: peer.server.name, reason }, "no links to a server with old data");
    peer.link?.end({ code: OLD_DATA, reason });
  }

  #linkClosed(peer: Peer, link: Link, bye: Bye): void {
    if (peer.link !== link) return;
    if (bye.code === OLD_DATA && link.isByeHeard) this.#owner.outdated(peer.id);
    const wasUp = peer.core.state.kind === "up";
    peer.framesIn += link.framesIn;
    peer.framesOut += link.framesOut;
    peer.bytesIn += link.bytesIn;
    peer.bytesOut += link.bytesOut;
    peer.link = undefined;
    peer.upSinceMs = undefined;
    peer.lastError = bye.reason;
    peer.core.failed(this.#context.clock.monotonicMs(), this.#context.random(), !PASSING.has(bye.code));
    this.#show(peer);
    this.#endConnection(peer, link.connection, bye);
    if (!wasUp) {
      this.#context.logger.warn(
        { peer: peer.id, name: peer.server.name, code: bye.code, reason: bye.reason },
        "link failed",
      );
      return;
    }
    this.#context.counters.add(meshCounter.linksDown);
    this.#context.logger.info(
      { peer: peer.id, name: peer.server.name, code: bye.code, reason: bye.reason },
      "link down",
    );
    this.#owner.linkDown(peer.id, bye.reason);
  }

  /** What becomes of the connection under a link that has ended. */
  #endConnection(peer: Peer, connection: Connection, { code, reason }: Bye): void {
    // The successor may be on it. And when this server stops, or the peer was taken out of the roster, it is for the
    // peer to hang up once it has heard so.
    if (code === "REPLACED" || this.#stopping.signal.aborted || this.#peers.get(peer.id) !== peer) return;
    if (code === "SILENT") return this.#hangUp(peer, reason);
    // A peer that stops sends nothing more; what kad-dht and identify still wait for on this connection is to fail at once.
    if (code === "STOPPING" || code === "REMOVED") return connection.abort(new Error(reason));
    void connection.close().catch((error: Error) => connection.abort(error));
  }

  #hangUp(peer: Peer, reason: string): void {
    for (const connection of this.#host.getConnections(peer.peerId)) connection.abort(new Error(reason));
  }

  /** Closes what dialling both ways at once left over. The opener alone decides, so that the two do not close one each. */
  #closeSpares(peer: Peer, nowMs: number): void {
    if (!peer.opener || peer.upSinceMs === undefined || nowMs - peer.upSinceMs < limits.mesh.spareConnectionMs) return;
    peer.upSinceMs = undefined;
    for (const connection of this.#host.getConnections(peer.peerId)) {
      if (connection !== peer.link?.connection)
        void connection.close().catch((error: Error) => connection.abort(error));
    }
  }

  #show(peer: Peer): void {
    const { kind } = peer.core.state;
    const shown = kind === "up" || kind === "down" ? kind : "dialing";
    if (shown === peer.shown) return;
    peer.shown = shown;
    peer.sinceMs = this.#context.clock.wallMs();
  }
}

/** Whether a server that said `known` before cannot truly say `hello` now. */
function isOlderLife(hello: Hello, known: Hello): boolean {
  return hello.boot < known.boot || (hello.boot === known.boot && hello.instance !== known.instance);
}

function statusOf(peer: Peer): PeerStatus {
  const { link, hello, lastError } = peer;
  const roundTripMs = link?.roundTripMs;
  return {
    id: peer.id,
    number: peer.server.number,
    name: peer.server.name,
    addresses: peer.server.addresses,
    state: peer.shown,
    sinceMs: peer.sinceMs,
    ...(roundTripMs !== undefined && { roundTripMs }),
    ...(hello !== undefined && {
      software: hello.hello.software,
      protocol: hello.protocol,
      rosterVersion: link?.peerRoster?.rosterVersion ?? hello.hello.rosterVersion,
      boot: hello.hello.boot,
    }),
    framesIn: peer.framesIn + (link?.framesIn ?? 0),
    framesOut: peer.framesOut + (link?.framesOut ?? 0),
    bytesIn: peer.bytesIn + (link?.bytesIn ?? 0),
    bytesOut: peer.bytesOut + (link?.bytesOut ?? 0),
    ...(lastError !== undefined && { lastError }),
  };
}
