import type { Socket } from "node:net";
import { connect, createServer, isIP } from "node:net";
import { checkServerIdentity, connect as connectTls, createServer as createTlsServer } from "node:tls";
import type { Server as TlsServer } from "node:tls";
import { assert } from "../../runtime/errors.ts";
import { limits } from "../../runtime/limits.ts";
import { randomTag } from "../message/tags.ts";
import { formatHostPort } from "../message/uri.ts";
import type { Flow, ListenAddress, SocketFlow } from "../stack.ts";
import { isWildcard, listenerName } from "./addresses.ts";
import { StreamConnection } from "./stream-connection.ts";
import type { StreamListener, Transport, TransportComponents } from "./transport.ts";
import { listenOn, ownEnd } from "./transport.ts";

interface Peer {
  readonly address: string;
  readonly port: number;
  readonly host?: string | undefined;
}

/** A connection is reused only for whom the peer has proven to be. */
function peerKey({ address, port, host = address }: Peer): string {
  return `${host} ${formatHostPort(address, port)}`;
}

/**
 * SIP over TCP or TLS: connections in both directions, reused by address.
 *
 * An `alias` in Via (RFC 5923) is not obeyed: it would let whoever shares a host with a server receive what is meant for
 * that server. Clients are reached over the connection they registered by, which a flow names.
 * @see RFC 3261 §18.1, §18.2, §26.3.1; RFC 5626 §5
 */
export class StreamTransport implements Transport {
  readonly name: "TCP" | "TLS";
  readonly #listen: ListenAddress;
  readonly #components: TransportComponents;
  /** Also those whose peer has ended its side. */
  readonly #all = new Set<StreamConnection>();
  readonly #byName = new Map<string, StreamConnection>();
  /** By the peer's name and address, to find a connection to reuse; over TLS only those whose peer has a certificate. */
  readonly #byPeer = new Map<string, StreamConnection>();
  #listener: StreamListener | undefined;
  #bound: ListenAddress | undefined;
  #forgetCertificates = (): void => {};

  constructor(name: "TCP" | "TLS", listen: ListenAddress, components: TransportComponents) {
    this.name = name;
    this.#listen = listen;
    this.#components = components;
  }

  async start(): Promise<void> {
    const server = this.name === "TLS" ? this.#createTlsServer() : createServer((socket) => this.#accept(socket));
    this.#listener = await listenOn(server, this.#listen, this.#components);
    this.#bound = this.#listener.address;
  }

  async stop(): Promise<void> {
    const listener = this.#listener;
    if (listener === undefined) return;
    this.#listener = undefined;
    this.#forgetCertificates();
    for (const connection of this.#all) connection.close();
    await listener.close();
  }

  address(): ListenAddress | undefined {
    return this.#bound;
  }

  send(flow: Flow, bytes: Uint8Array, failed: (reason: string) => void): void {
    if (flow.transport === "MESH" || this.#listener === undefined) return failed("not listening");
    if (flow.connection !== undefined) {
      const connection = this.#byName.get(flow.connection);
      if (connection === undefined) return failed("connection closed");
      return connection.send(bytes, failed);
    }
    const known = this.#byPeer.get(peerKey(flow));
    const open = known?.isOpen === true ? known : this.#connect(flow);
    if (open === undefined) return failed("too many connections");
    open.send(bytes, failed);
  }

  close(flow: Flow): void {
    if (flow.transport !== "MESH" && flow.connection !== undefined) this.#byName.get(flow.connection)?.close();
  }

  known(flow: Flow): void {
    if (flow.transport !== "MESH" && flow.connection !== undefined) this.#byName.get(flow.connection)?.bounds.known();
  }

  hasClosed(flow: Flow): boolean {
    if (flow.transport === "MESH" || flow.connection === undefined) return false;
    return this.#byName.get(flow.connection)?.isOpen !== true;
  }

  #createTlsServer(): TlsServer {
    const { tls, counters } = this.#components;
    assert(tls !== undefined, "a TLS listener has certificates");
    const server = createTlsServer(tls.serverOptions(), (socket) => this.#accept(socket));
    server.on("tlsClientError", (_error, socket) => {
      counters.add("sip.tls_failures");
      // A handshake that takes too long is only told of: it is for the listener to end it.
      socket.destroy();
    });
    this.#forgetCertificates = tls.onLoaded(() => server.setSecureContext(tls.defaultOptions()));
    return server;
  }

  #accept(socket: Socket): void {
    // One that has ended since.
    if (this.#listener === undefined || socket.destroyed || socket.remoteAddress === undefined)
      return void socket.destroy();
    const peer = this.#listener.peerOf(socket);
    const connection = this.#adopt(socket, peer, this.name === "TLS" ? undefined : peerKey(peer));
    connection.expectMessage();
    if (!this.#components.isTrusted(connection.flow)) connection.bounds.expectIdentity();
  }

  #connect(flow: SocketFlow): StreamConnection | undefined {
    const { address, port, host: name = address } = flow;
    const { sources, counters, timers } = this.#components;
    if (!sources.connect(address)) {
      counters.add("sip.connections_refused");
      return undefined;
    }
    const { address: own } = this.#listen;
    // Peers that know us by address see the one we listen on.
    const to = { host: address, port, ...(isWildcard(own) ? undefined : { localAddress: own }) };
    const socket = this.name === "TLS" ? this.#connectTls(to, name) : connect(to);
    const cancel = timers.after(limits.sip.connectMs, () => socket.destroy());
    const made = this.name === "TLS" ? "secureConnect" : "connect";
    socket.once(made, cancel).once("close", () => {
      cancel();
      sources.disconnect(address);
    });
    const connection = this.#adopt(socket, flow, peerKey(flow));
    connection.sendFrom(made);
    return connection;
  }

  /** @param name whom the peer's certificate has to be for. @see RFC 5922 §7.2 */
  #connectTls(to: { host: string; port: number; localAddress?: string }, name: string): Socket {
    const { tls, counters, events } = this.#components;
    const socket = connectTls({
      ...to,
      ...tls?.clientOptions(),
      ...(isIP(name) === 0 ? { servername: name } : undefined),
      checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
    });
    const failed = (error: Error): void => {
      counters.add("sip.tls_failures");
      events.unproven(name, { address: to.host, port: to.port }, error.message);
    };
    // Not an octet leaves before it is certain who the peer is.
    socket.cork();
    socket.once("connect", () => socket.once("error", failed));
    socket.once("secureConnect", () => {
      socket.off("error", failed);
      socket.uncork();
    });
    return socket;
  }

  /** @param peer by which it is found again; `undefined`: by its own name alone */
  #adopt(socket: Socket, { address, port }: Peer, peer: string | undefined): StreamConnection {
    const connectionName = randomTag();
    const listener = listenerName(ownEnd(this.#bound as ListenAddress, socket));
    const path: SocketFlow = { transport: this.name, address, port, listener, connection: connectionName };
    const isTrusted = this.name === "TLS" && this.#components.isTrusted(path);
    const flow: SocketFlow = isTrusted ? { ...path, trusted: true } : path;
    const connection = new StreamConnection(socket, flow, this.#components);
    this.#byName.set(connectionName, connection);
    if (peer !== undefined) this.#byPeer.set(peer, connection);
    this.#all.add(connection);
    const gone = (): void => {
      if (!this.#byName.delete(connectionName)) return;
      if (peer !== undefined && this.#byPeer.get(peer) === connection) this.#byPeer.delete(peer);
      this.#components.events.closed(flow);
    };
    // What waits for an answer over this connection learns of the failure from the close that follows.
    socket.on("error", () => {});
    // A peer that has ended its side answers no more. What is sent to it from now on goes by another connection, which must not seem to close with this one.
    socket.on("end", gone);
    socket.on("close", () => {
      this.#all.delete(connection);
      gone();
    });
    return connection;
  }
}
