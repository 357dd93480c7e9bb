import { once } from "node:events";
import type { Server, Socket } from "node:net";
import { plainAddress } from "../../runtime/ip-addresses.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Logger } from "../../runtime/logger.ts";
import type { Counters } from "../../runtime/metrics.ts";
import type { Timers } from "../../runtime/timers.ts";
import type { SipParseError } from "../message/sip-parse-error.ts";
import type { Flow, ListenAddress } from "../stack.ts";
import type { Backlogs } from "./backlog.ts";
import { bindError, isWildcard } from "./addresses.ts";
import type { MachineAddresses } from "./machine-addresses.ts";
import { ProxiedClients } from "./proxied-clients.ts";
import type { Sources } from "./sources.ts";
import type { TlsCertificates } from "./tls-certificates.ts";

/** What a transport tells the stack. */
export interface TransportEvents {
  /** The octets of one message. */
  received(bytes: Uint8Array, flow: Flow): void;
  /** A message above its source's limit: not to be served, but answered. */
  excess(bytes: Uint8Array, flow: Flow): void;
  /** Octets that no message can be found in. What is sent in reply within the call still leaves before the connection closes. */
  broken(error: SipParseError, flow: Flow): void;
  /** A connection has closed. */
  closed(flow: Flow): void;
  /** A server that was connected to could not prove to be `host`. */
  unproven(host: string, at: { readonly address: string; readonly port: number }, reason: string): void;
}

/** What every transport on sockets is made with. */
export interface TransportComponents {
  readonly events: TransportEvents;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly timers: Timers;
  readonly counters: Counters;
  readonly sources: Sources;
  /** What peers have not read. */
  readonly backlogs: Backlogs;
  /** What peers have begun to send, and not ended. */
  readonly unfinished: Backlogs;
  /** Whether a server that the operator trusts is at the other end of a flow. */
  readonly isTrusted: (flow: Flow) => boolean;
  /** Whether the connections of an address begin with a header of the PROXY protocol. */
  readonly isProxy: (address: string) => boolean;
  /** What wildcard listeners stand for. */
  readonly machine: MachineAddresses;
  readonly logger: Logger;
  /** After which a WebSocket is pinged, each time. @default never */
  readonly pingMs?: number;
  /** For TLS and WSS. */
  readonly tls?: TlsCertificates;
}

/** One listener, and what is sent from it. */
export interface Transport {
  readonly name: Flow["transport"];
  /** @throws {OperationalError} `PORT_IN_USE`, `ADDRESS_NOT_AVAILABLE` @throws {ConfigurationError} `PORT_FORBIDDEN`, `CANNOT_LISTEN` */
  start(): Promise<void>;
  /** Closes the listener and its connections. Idempotent. */
  stop(): Promise<void>;
  /** The bound address; `undefined` where there is none, as in the mesh. */
  address(): ListenAddress | undefined;
  /** Sends or queues; `failed` is called, at most once and maybe at once, when that turns out to be impossible. */
  send(flow: Flow, bytes: Uint8Array, failed: (reason: string) => void): void;
  /** Whether the connection that a flow names is gone, though its other end may listen for another. Absent where there is no such thing. */
  hasClosed?(flow: Flow): boolean;
  /** Closes the connection that a flow names. Absent where there is no such thing. */
  close?(flow: Flow): void;
  /** Who is at the other end of a connection has shown who they are. Absent where there is no such thing. */
  known?(flow: Flow): void;
}

/** Our end of a connection: where the listener is on a wildcard, the address that the peer connected to. */
export function ownEnd(bound: ListenAddress, { localAddress }: Socket): ListenAddress {
  return isWildcard(bound.address) && localAddress !== undefined
    ? { ...bound, address: plainAddress(localAddress) }
    : bound;
}

/** A stream server that listens. */
export interface StreamListener {
  readonly address: ListenAddress;
  /** The other end of a connection that it has accepted, by the word of the proxy where there is one. */
  peerOf(socket: Socket): { readonly address: string; readonly port: number };
  /** Ends it and all connections that it has accepted, those too that are not yet of TLS or HTTP: else it would wait for them. */
  close(): Promise<void>;
}

type ListenerComponents = Pick<TransportComponents, "sources" | "counters" | "clock" | "timers" | "logger" | "isProxy">;

/** Binds a stream server, and closes the connections of sources that have too many. @throws {ConfigurationError} */
export async function listenOn(
  server: Server,
  listen: ListenAddress,
  components: ListenerComponents,
): Promise<StreamListener> {
  const { sources, counters, clock, isProxy } = components;
  const accepted = new Set<Socket>();
  const clients = new ProxiedClients(components);
  const accepts = (address: string): boolean => {
    const isLetIn = sources.accept(address, clock.monotonicMs());
    if (!isLetIn) counters.add("sip.connections_refused");
    return isLetIn;
  };
  // Before TLS and HTTP have spent anything on the connection.
  const serve = server.listeners("connection");
  server.removeAllListeners("connection");
  server.on("connection", (socket) => {
    const from = socket.remoteAddress === undefined ? undefined : plainAddress(socket.remoteAddress);
    if (from === undefined || !accepts(from)) return void socket.destroy();
    let source: string | undefined = from;
    accepted.add(socket);
    socket.once("close", () => {
      accepted.delete(socket);
      if (source !== undefined) sources.disconnect(source);
    });
    const handOn = (): void => serve.forEach((each) => void each.call(server, socket));
    if (!isProxy(from)) return handOn();
    clients.expectHeader(socket, ({ address }) => {
      sources.disconnect(from);
      source = accepts(address) ? address : undefined;
      if (source === undefined) socket.destroy();
      else handOn();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: listen.address, port: listen.port, ipv6Only: true, exclusive: true, backlog: 1024 }, () => {
      server.off("error", reject);
      resolve();
    });
  }).catch((error: unknown) => {
    throw bindError(error, listen);
  });
  // Errors after binding are of single connections that could not be accepted: the peer tries again.
  server.on("error", () => counters.add("sip.accept_failures"));
  return {
    address: { ...listen, port: (server.address() as { port: number }).port },
    peerOf: (socket) => clients.peerOf(socket),
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of accepted) socket.destroy();
      await closed;
    },
  };
}
