import type { Identify } from "@libp2p/identify";
import { identify } from "@libp2p/identify";
import type { ComponentLogger, Connection, Libp2p, Metrics, PrivateKey, Transport } from "@libp2p/interface";
import type { KadDHT, SelectFn, ValidateFn } from "@libp2p/kad-dht";
import { kadDHT, passthroughMapper } from "@libp2p/kad-dht";
import { mdns } from "@libp2p/mdns";
import type { Ping } from "@libp2p/ping";
import { ping } from "@libp2p/ping";
import type { Datastore } from "interface-datastore";
import { createLibp2p } from "libp2p";
import { KAD_PROTOCOL } from "../../dht-schema/link-frames.ts";
import { RECORD_NAMESPACE } from "../../dht-schema/record-key.ts";
import { ROSTER_ADDRESSES_MAX } from "../../dht-schema/roster.ts";
import { ConfigurationError, OperationalError } from "../runtime/errors.ts";
import { limits } from "../runtime/limits.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Guard } from "./guard.ts";
import { joiningNoise } from "./joined-sends.ts";
import type { MeshHost } from "./mesh-host.ts";
import { steadyYamux } from "./steady-yamux.ts";

/** Makes a libp2p transport. */
export type TransportFactory = (components: {
  readonly logger: ComponentLogger;
  readonly metrics?: Metrics;
}) => Transport;

/** The libp2p node of a server. */
export type Host = Libp2p<{ identify: Identify; ping: Ping; kad: KadDHT }>;

export interface HostOptions {
  readonly privateKey: PrivateKey;
  /** Multiaddrs to listen on; port 0 takes a free one. */
  readonly listen: readonly string[];
  /** Multiaddrs to tell others instead of those listened on, e.g. behind a port mapping. */
  readonly announce: readonly string[];
  /** `name/version`, for people. */
  readonly software: string;
  readonly mdns: boolean;
  /** What carries connections; TCP in life, a network with faults in tests. */
  readonly transport: TransportFactory;
  readonly guard: Guard;
  readonly datastore: Datastore;
  readonly recordValidator: ValidateFn;
  readonly recordSelector: SelectFn;
}

/** A libp2p node of our kind, not yet started. Every protocol of it is behind the guard. */
export async function createHost(options: HostOptions): Promise<Host> {
  const { guard } = options;
  const host: Host = await createLibp2p({
    start: false,
    privateKey: options.privateKey,
    nodeInfo: { name: "aorta", userAgent: options.software },
    addresses: { listen: [...options.listen], announce: [...options.announce] },
    transports: [options.transport],
    connectionEncrypters: [joiningNoise()],
    streamMuxers: [steadyYamux()],
    connectionGater: guard.gater(),
    connectionManager: {
      maxConnections: limits.mesh.connections,
      // A server that starts dials all the others at once; libp2p's 500 would refuse those of a large domain.
      maxDialQueueLength: limits.mesh.connections,
      inboundConnectionThreshold: limits.mesh.inboundPerSecond,
      maxIncomingPendingConnections: limits.mesh.inboundPending,
      dialTimeout: limits.mesh.dialMs,
      addressDialTimeout: limits.mesh.dialAddressMs,
      inboundUpgradeTimeout: limits.mesh.dialMs,
    },
    // Links watch their own silence, and know when it was we who slept; libp2p's monitor would cut healthy connections after a pause.
    connectionMonitor: { enabled: false },
    datastore: options.datastore,
    peerDiscovery: options.mdns ? [mdns()] : [],
    services: {
      // Run by us, on connections of peers that are let in.
      identify: (components) => identify({ runOnConnectionOpen: false })(guard.protect(components)) as Identify,
      ping: (components) => ping()(guard.protect(components)),
      kad: (components) =>
        kadDHT({
          protocol: KAD_PROTOCOL,
          clientMode: false,
          kBucketSize: 20,
          peerInfoMapper: passthroughMapper,
          validators: { [RECORD_NAMESPACE]: options.recordValidator },
          selectors: { [RECORD_NAMESPACE]: options.recordSelector },
        })(guard.protect(components)),
    },
  });
  return host;
}

/** Starts listening. @throws {OperationalError} `PORT_IN_USE`, `ADDRESS_NOT_AVAILABLE` @throws {ConfigurationError} `CANNOT_LISTEN` */
export async function startHost(host: Host, listen: readonly string[]): Promise<void> {
  try {
    await host.start();
    // On a wildcard it asks the system for the machine's addresses, which a sandbox may forbid.
    host.getMultiaddrs();
  } catch (cause) {
    const text = String(cause);
    if (text.includes("EADDRINUSE")) {
      throw new OperationalError(
        "PORT_IN_USE",
        `another program listens on one of ${listen.join(", ")}: choose another port for the mesh`,
        { cause },
      );
    }
    if (text.includes("EADDRNOTAVAIL")) {
      throw new OperationalError(
        "ADDRESS_NOT_AVAILABLE",
        `the mesh cannot listen on ${listen.join(", ")}: not an address of this machine`,
        { cause },
      );
    }
    // libp2p's own message has advice for programmers, and a stack.
    const [, why = (cause as Error).message] = /Error: (listen [^\n]*)/.exec(text) ?? [];
    throw new ConfigurationError("CANNOT_LISTEN", `the mesh cannot listen on ${listen.join(", ")}: ${why}`, { cause });
  }
}

/** A host that belongs to the mesh alone: it refuses whoever is not let in. */
export function ownHost(host: Host, guard: Guard, logger: Logger): MeshHost {
  // Learns which protocols a peer speaks, without which kad-dht does not count it in.
  const identifyPeer = (connection: Connection) => {
    host.services.identify.identify(connection).catch((error: Error) => {
      logger.debug({ peer: connection.remotePeer.toString(), reason: error.message }, "identify failed");
    });
  };
  guard.watch(host);
  host.addEventListener("connection:open", ({ detail: connection }) => {
    if (guard.isObserver(connection.remotePeer.toString())) identifyPeer(connection);
  });
  return {
    peerId: host.peerId,
    peerRouting: host.peerRouting,
    peerStore: host.peerStore,
    dial: (peer, options) => host.dial(peer, options),
    dialProtocol: (peer, protocols, options) => host.dialProtocol(peer, protocols, options),
    getConnections: (peer) => host.getConnections(peer),
    getMultiaddrs: () => host.getMultiaddrs(),
    addEventListener: host.addEventListener.bind(host),
    removeEventListener: host.removeEventListener.bind(host),
    handle: (protocol, handler, options) => host.handle(protocol, handler, options),
    unhandle: (protocols) => host.unhandle([...protocols]),
    review: () => guard.review(host),
    linked: identifyPeer,
    async stop() {
      guard.stop();
      await host.stop();
    },
  };
}

/** Where the host can be reached, peer id included: as many addresses as a roster has room for. */
export function fullAddressesOf(host: Pick<MeshHost, "getMultiaddrs">): string[] {
  return host.getMultiaddrs().slice(0, ROSTER_ADDRESSES_MAX).map(String);
}

/** Where the host can be reached: multiaddrs without the peer id. */
export function addressesOf(host: Pick<MeshHost, "getMultiaddrs">): string[] {
  return fullAddressesOf(host).map((address) => address.replace(/\/p2p\/[^/]+$/, ""));
}
