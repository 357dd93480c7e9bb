import { isUtf8 } from "node:buffer";
import type { IncomingMessage, Server } from "node:http";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { WebSocketServer } from "ws";
import { assert } from "../../runtime/errors.ts";
import { limits } from "../../runtime/limits.ts";
import { forwardedFor } from "../auth/client-behind.ts";
import { randomTag } from "../message/tags.ts";
import type { Flow, ListenAddress, SocketFlow } from "../stack.ts";
import { listenerName } from "./addresses.ts";
import { ConnectionBounds } from "./connection-bounds.ts";
import { isKeepAlive } from "./keep-alive.ts";
import type { StreamListener, Transport, TransportComponents } from "./transport.ts";
import { listenOn, ownEnd } from "./transport.ts";

const PONG = Buffer.from("\r\n");
/** The heads of all frames of a message at most: what has come beside it and is more belongs to the next. */
const HEADS_BYTES = 14 * limits.sip.messageFrames;

/**
 * SIP over WebSocket: sub-protocol `sip`, one message a frame, text or binary. Clients connect; a server never does.
 * @see RFC 7118
 */
export class WsTransport implements Transport {
  readonly name: "WS" | "WSS";
  readonly #listen: ListenAddress;
  readonly #components: TransportComponents;
  readonly #byName = new Map<string, WsConnection>();
  readonly #upgrades = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: limits.sip.messageBytes,
    maxFragments: limits.sip.messageFrames,
    handleProtocols: () => "sip",
  });
  #listener: StreamListener | undefined;
  #bound: ListenAddress | undefined;
  #forgetCertificates = (): void => {};

  constructor(name: "WS" | "WSS", listen: ListenAddress, components: TransportComponents) {
    this.name = name;
    this.#listen = listen;
    this.#components = components;
  }

  async start(): Promise<void> {
    const server = this.#createServer();
    server.on("request", (_request, response) => {
      response
        .writeHead(426, { Upgrade: "websocket", Connection: "close" })
        .end("SIP over WebSocket (RFC 7118) is spoken here.\n");
    });
    server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.#listener = await listenOn(server, this.#listen, this.#components);
    this.#bound = this.#listener.address;
  }

  async stop(): Promise<void> {
    const listener = this.#listener;
    if (listener === undefined) return;
    this.#listener = undefined;
    this.#forgetCertificates();
    for (const connection of this.#byName.values()) connection.close();
    await listener.close();
  }

  address(): ListenAddress | undefined {
    return this.#bound;
  }

  hasClosed(flow: Flow): boolean {
    if (flow.transport === "MESH" || flow.connection === undefined) return false;
    return this.#byName.get(flow.connection)?.isOpen !== true;
  }

  close(flow: Flow): void {
    if (flow.transport !== "MESH" && flow.connection !== undefined) this.#byName.get(flow.connection)?.close();
  }

  known(flow: Flow): void {
    if (flow.transport !== "MESH" && flow.connection !== undefined) this.#byName.get(flow.connection)?.bounds.known();
  }

  send(flow: Flow, bytes: Uint8Array, failed: (reason: string) => void): void {
    const connection =
      flow.transport === "MESH" || flow.connection === undefined ? undefined : this.#byName.get(flow.connection);
    if (connection === undefined) failed("connection closed");
    else connection.send(bytes, failed);
  }

  #createServer(): Server {
    const { tls, counters } = this.#components;
    const { partialMessageMs } = limits.sip;
    // Unless asked to, Node looks every half a minute.
    const bounds = {
      headersTimeout: partialMessageMs,
      requestTimeout: partialMessageMs,
      connectionsCheckingInterval: partialMessageMs / 10,
    };
    if (this.name === "WS") return createServer(bounds);
    assert(tls !== undefined, "a WSS listener has certificates");
    const server = createTlsServer({ ...bounds, ...tls.serverOptions() });
    server.on("tlsClientError", () => counters.add("sip.tls_failures"));
    this.#forgetCertificates = tls.onLoaded(() => server.setSecureContext(tls.defaultOptions()));
    return server;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Nobody else listens for the errors of this socket from here on: a reset would end the process.
    socket.on("error", () => {});
    const protocols = (request.headers["sec-websocket-protocol"] ?? "")
      .split(",")
      .map((each) => each.trim().toLowerCase());
    // RFC 7118 §4.1: without the sub-protocol there is no SIP on this connection.
    if (!protocols.includes("sip")) return refuse(socket, "400 Bad Request");
    this.#upgrades.handleUpgrade(request, socket, head, (client) => {
      if (this.#listener === undefined) client.terminate();
      else this.#adopt(client, request, this.#listener);
    });
  }

  #adopt(socket: WebSocket, request: IncomingMessage, listener: StreamListener): void {
    const name = randomTag();
    const client = forwardedFor(request.headers["x-forwarded-for"]);
    const flow: SocketFlow = {
      transport: this.name,
      ...listener.peerOf(request.socket),
      listener: listenerName(ownEnd(this.#bound as ListenAddress, request.socket)),
      connection: name,
      ...(client === undefined ? {} : { forwardedFor: client }),
    };
    request.socket.setKeepAlive(true, limits.sip.keepAliveMs);
    socket.binaryType = "nodebuffer";
    const connection = new WsConnection(socket, flow, this.#components);
    const { pingMs } = this.#components;
    if (pingMs === undefined) request.socket.setTimeout(limits.sip.idleConnectionMs, () => connection.bounds.idle());
    else connection.ping(pingMs);
    this.#byName.set(name, connection);
    // Before the one by which `ws` reads: what it makes of the octets comes after.
    request.socket.prependListener("data", (chunk: Buffer) => connection.begin(chunk.length));
    request.socket.on("data", () => connection.noteUnfinished());
    connection.begin(0);
    if (!this.#components.isTrusted(flow)) connection.bounds.expectIdentity();
    // A frame that breaks RFC 6455 or is too long: `ws` closes with the right code, and that is all there is to do.
    socket.on("error", () => this.#components.counters.add("sip.malformed"));
    socket.on("close", () => {
      this.#byName.delete(name);
      this.#components.events.closed(flow);
    });
  }
}

/** What arrives on one WebSocket: as with other streams, a message once begun has to end, and a flood is read slowly. */
class WsConnection {
  readonly #socket: WebSocket;
  readonly #flow: SocketFlow;
  readonly #components: TransportComponents;
  readonly bounds: ConnectionBounds;
  /** What has come of the message that is not whole yet. */
  #unfinishedBytes = 0;
  #cancelPing = (): void => {};
  /** Pings since anything came. */
  #unanswered = 0;
  /** When the client itself said something: pongs come without its doing. */
  #saidAtMs: number;

  constructor(socket: WebSocket, flow: SocketFlow, components: TransportComponents) {
    this.#socket = socket;
    this.#flow = flow;
    this.#components = components;
    this.bounds = new ConnectionBounds(components, () => this.close());
    this.#saidAtMs = components.clock.monotonicMs();
    const count = (data: Buffer): void => this.#count(data);
    socket.on("message", (data) => this.#receive(data as Buffer));
    socket.on("ping", count).on("pong", count);
    socket.on("close", () => {
      this.#cancelPing();
      this.bounds.closed();
    });
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  /**
   * Pings keep the way of a client open through NATs and proxies that forget it after a minute of silence, and tell whether it is there: browsers cannot send any.
   * @see RFC 6455 §5.5.2, RFC 7118 §6
   */
  ping(everyMs: number): void {
    const { timers, clock } = this.#components;
    this.#cancelPing = timers.after(everyMs, () => {
      if (this.#unanswered >= limits.sip.unansweredPings) return this.bounds.silent();
      if (clock.monotonicMs() - this.#saidAtMs >= limits.sip.idleConnectionMs) return this.bounds.idle();
      this.#unanswered += 1;
      if (this.isOpen) this.#socket.ping();
      this.ping(everyMs);
    });
  }

  /** Octets have come: the message that they begin has a deadline, unless it is whole in a moment. */
  begin(octets: number): void {
    this.#unfinishedBytes += octets;
    this.#unanswered = 0;
    this.bounds.startDeadline();
  }

  /** All is read of what has come. */
  noteUnfinished(): void {
    this.bounds.unfinished(this.#unfinishedBytes);
    // While nothing is read, the rest of it cannot come.
    if (this.#unfinishedBytes === 0 || this.#socket.isPaused) this.bounds.endDeadline();
    else this.bounds.startDeadline();
  }

  send(bytes: Uint8Array, failed: (reason: string) => void): void {
    const socket = this.#socket;
    if (socket.readyState !== socket.OPEN) return failed("connection closed");
    const written = this.bounds.unread(bytes.length);
    if (written === undefined) return failed("peer does not read");
    // Text frames hold UTF-8 only; browsers' clients expect text where it can be.
    socket.send(bytes, { binary: !isUtf8(bytes) }, written);
  }

  close(): void {
    this.#socket.terminate();
  }

  #receive(bytes: Buffer): void {
    this.bounds.endDeadline();
    this.#saidAtMs = this.#components.clock.monotonicMs();
    this.#count(bytes);
    if (!isKeepAlive(bytes)) this.#components.events.received(bytes, this.#flow);
    // Browsers cannot send WebSocket pings, so clients use those of RFC 5626 §3.5.1.
    else if (bytes.length === 4) this.send(PONG, () => {});
  }

  /** A message, a ping or a pong is whole. */
  #count({ length }: Buffer): void {
    const { sources, clock } = this.#components;
    // Of many messages in one piece the heads together would seem to be the beginning of another.
    const rest = this.#unfinishedBytes - length - headBytes(length);
    this.#unfinishedBytes = rest <= HEADS_BYTES ? 0 : rest;
    const waitMs = sources.message(this.#flow.address, clock.monotonicMs(), length);
    if (waitMs > 0) this.#rest(waitMs);
  }

  #rest(waitMs: number): void {
    const { timers, counters } = this.#components;
    if (this.#socket.isPaused) return;
    counters.add("sip.flood_slowed");
    this.#socket.pause();
    const cancel = timers.after(waitMs, () => {
      this.#socket.off("close", cancel);
      this.#socket.resume();
      this.noteUnfinished();
    });
    this.#socket.once("close", cancel);
  }
}

/** Octets before those of a client's frame: the shortest that say how long it is, and a mask. @see RFC 6455 §5.2 */
function headBytes(length: number): number {
  if (length < 126) return 6;
  return length < 65_536 ? 8 : 14;
}

function refuse(socket: Duplex, status: string): void {
  // HTTP leaves its sockets open for the peer to end, and nobody waits for that here.
  socket.once("finish", () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
