import { once } from "node:events";
import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { limits } from "../../runtime/limits.ts";
import type { Counters } from "../../runtime/metrics.ts";
import type { Timers } from "../../runtime/timers.ts";
import { randomTag } from "../message/tags.ts";
import { formatHostPort } from "../message/uri.ts";
import type { Flow, ListenAddress } from "../stack.ts";
import { bindError, isWildcard, listenerName, plainAddress } from "./addresses.ts";
import { StreamConnection } from "./stream-connection.ts";
import type { Transport, TransportEvents } from "./transport.ts";

interface Components {
  readonly events: TransportEvents;
  readonly timers: Timers;
  readonly counters: Counters;
}

/** SIP over TCP: connections in both directions, reused by address. @see RFC 3261 §18.1, §18.2 */
export class TcpTransport implements Transport {
  readonly name = "TCP";
  readonly #listen: ListenAddress;
  readonly #components: Components;
  readonly #byName = new Map<string, StreamConnection>();
  /** By the peer's `address:port`, to find a connection to reuse. */
  readonly #byPeer = new Map<string, StreamConnection>();
  #server: Server | undefined;
  #bound: ListenAddress | undefined;

  constructor(listen: ListenAddress, components: Components) {
    this.#listen = listen;
    this.#components = components;
  }

  async start(): Promise<void> {
    const { address, port } = this.#listen;
    const server = createServer((socket) => this.#accept(socket));
    try {
      server.listen({ host: address, port, ipv6Only: true, exclusive: true, backlog: 1024 });
      await once(server, "listening");
    } catch (error) {
      throw bindError(error, this.#listen);
    }
    this.#bound = { ...this.#listen, port: (server.address() as { port: number }).port };
    // Errors after binding are of single connections that could not be accepted: the peer tries again.
    server.on("error", () => this.#components.counters.add("sip.accept_failures"));
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = once(server, "close");
    server.close();
    for (const connection of this.#byName.values()) connection.close();
    await closed;
  }

  address(): ListenAddress | undefined {
    return this.#bound;
  }

  send(flow: Flow, bytes: Uint8Array, failed: (reason: string) => void): void {
    if (flow.transport === "MESH" || this.#server === undefined) return failed("not listening");
    if (flow.connection !== undefined) {
      const connection = this.#byName.get(flow.connection);
      if (connection === undefined) return failed("connection closed");
      return connection.send(bytes, failed);
    }
    const open = this.#byPeer.get(formatHostPort(flow.address, flow.port)) ?? this.#connect(flow.address, flow.port);
    if (open === undefined) return failed("too many connections");
    open.send(bytes, failed);
  }

  #accept(socket: Socket): void {
    if (this.#byName.size >= limits.sip.connections || socket.remoteAddress === undefined) {
      this.#components.counters.add("sip.connections_refused");
      socket.destroy();
      return;
    }
    this.#adopt(socket, plainAddress(socket.remoteAddress), socket.remotePort ?? 0).expectMessage();
  }

  #connect(address: string, port: number): StreamConnection | undefined {
    if (this.#byName.size >= limits.sip.connections) {
      this.#components.counters.add("sip.connections_refused");
      return undefined;
    }
    const { address: own } = this.#listen;
    // Peers that know us by address see the one we listen on.
    const socket = connect({ host: address, port, ...(isWildcard(own) ? undefined : { localAddress: own }) });
    const cancel = this.#components.timers.after(limits.sip.connectMs, () => socket.destroy());
    socket.once("connect", cancel).once("close", cancel);
    return this.#adopt(socket, address, port);
  }

  #adopt(socket: Socket, address: string, port: number): StreamConnection {
    const name = randomTag();
    const listener = listenerName(this.#bound as ListenAddress);
    const flow: Flow = { transport: "TCP", address, port, listener, connection: name };
    const connection = new StreamConnection(socket, flow, this.#components.events, this.#components.timers);
    const peer = formatHostPort(address, port);
    this.#byName.set(name, connection);
    this.#byPeer.set(peer, connection);
    // What waits for an answer over this connection learns of the failure from the close that follows.
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#byName.delete(name);
      if (this.#byPeer.get(peer) === connection) this.#byPeer.delete(peer);
      this.#components.events.closed(flow);
    });
    return connection;
  }
}
