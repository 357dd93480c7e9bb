import { isUtf8 } from "node:buffer";
import { once } from "node:events";
import type { IncomingMessage, Server } from "node:http";
import { createServer } from "node:http";
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { WebSocketServer } from "ws";
import { limits } from "../../runtime/limits.ts";
import type { Counters } from "../../runtime/metrics.ts";
import { randomTag } from "../message/tags.ts";
import type { Flow, ListenAddress } from "../stack.ts";
import { bindError, listenerName, plainAddress } from "./addresses.ts";
import { isKeepAlive } from "./keep-alive.ts";
import type { Transport, TransportEvents } from "./transport.ts";

interface Components {
  readonly events: TransportEvents;
  readonly counters: Counters;
}

const PONG = "\r\n";

/**
 * SIP over WebSocket: sub-protocol `sip`, one message a frame, text or binary. Clients connect; a server never does.
 * @see RFC 7118
 */
export class WsTransport implements Transport {
  readonly name = "WS";
  readonly #listen: ListenAddress;
  readonly #components: Components;
  readonly #byName = new Map<string, WebSocket>();
  readonly #upgrades = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: limits.sip.messageBytes,
    handleProtocols: () => "sip",
  });
  #server: Server | undefined;
  #bound: ListenAddress | undefined;

  constructor(listen: ListenAddress, components: Components) {
    this.#listen = listen;
    this.#components = components;
  }

  async start(): Promise<void> {
    const { address, port } = this.#listen;
    const server = createServer({
      headersTimeout: limits.sip.partialMessageMs,
      requestTimeout: limits.sip.partialMessageMs,
    });
    server.on("request", (_request, response) => {
      response
        .writeHead(426, { Upgrade: "websocket", Connection: "close" })
        .end("SIP over WebSocket (RFC 7118) is spoken here.\n");
    });
    server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    try {
      server.listen({ host: address, port, ipv6Only: true, exclusive: true, backlog: 1024 });
      await once(server, "listening");
    } catch (error) {
      throw bindError(error, this.#listen);
    }
    this.#bound = { ...this.#listen, port: (server.address() as { port: number }).port };
    server.on("error", () => this.#components.counters.add("sip.accept_failures"));
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    for (const socket of this.#byName.values()) socket.terminate();
    await closed;
  }

  address(): ListenAddress | undefined {
    return this.#bound;
  }

  send(flow: Flow, bytes: Uint8Array, failed: (reason: string) => void): void {
    const socket =
      flow.transport === "MESH" || flow.connection === undefined ? undefined : this.#byName.get(flow.connection);
    if (socket === undefined || socket.readyState !== socket.OPEN) return failed("connection closed");
    if (socket.bufferedAmount + bytes.length > limits.sip.unsentBytes) {
      socket.terminate();
      return failed("peer does not read");
    }
    // Text frames hold UTF-8 only; browsers' clients expect text where it can be.
    socket.send(bytes, { binary: !isUtf8(bytes) });
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Nobody else listens for the errors of this socket from here on: a reset would end the process.
    socket.on("error", () => {});
    const protocols = (request.headers["sec-websocket-protocol"] ?? "")
      .split(",")
      .map((each) => each.trim().toLowerCase());
    // RFC 7118 §4.1: without the sub-protocol there is no SIP on this connection.
    if (!protocols.includes("sip")) return refuse(socket, "400 Bad Request");
    if (this.#byName.size >= limits.sip.connections) {
      this.#components.counters.add("sip.connections_refused");
      return refuse(socket, "503 Service Unavailable");
    }
    this.#upgrades.handleUpgrade(request, socket, head, (client) => this.#adopt(client, request));
  }

  #adopt(socket: WebSocket, request: IncomingMessage): void {
    const name = randomTag();
    const flow: Flow = {
      transport: "WS",
      address: plainAddress(request.socket.remoteAddress ?? ""),
      port: request.socket.remotePort ?? 0,
      listener: listenerName(this.#bound as ListenAddress),
      connection: name,
    };
    this.#byName.set(name, socket);
    request.socket.setKeepAlive(true, limits.sip.keepAliveMs);
    request.socket.setTimeout(limits.sip.idleConnectionMs, () => socket.terminate());
    socket.binaryType = "nodebuffer";
    socket.on("message", (data) => this.#receive(socket, data as Buffer, flow));
    // A frame that breaks RFC 6455 or is too long: `ws` closes with the right code, and that is all there is to do.
    socket.on("error", () => this.#components.counters.add("sip.malformed"));
    socket.on("close", () => {
      this.#byName.delete(name);
      this.#components.events.closed(flow);
    });
  }

  #receive(socket: WebSocket, bytes: Buffer, flow: Flow): void {
    if (!isKeepAlive(bytes)) this.#components.events.received(bytes, flow);
    // Browsers cannot send WebSocket pings, so clients use those of RFC 5626 §3.5.1.
    else if (bytes.length === 4) socket.send(PONG, { binary: false });
  }
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
