import type {
  Connection,
  Libp2p,
  PeerId,
  PeerRouting,
  PeerStore,
  PrivateKey,
  Stream,
  StreamHandler,
} from "@libp2p/interface";
import type { Multiaddr } from "@multiformats/multiaddr";
import { JOIN_PROTOCOL } from "../../dht-schema/join-messages.ts";

/** What a mesh needs of the libp2p node it runs on: one of its own, or one that it is a guest of. */
export interface MeshHost extends Pick<
  Libp2p,
  | "peerId"
  | "dial"
  | "dialProtocol"
  | "getConnections"
  | "getMultiaddrs"
  | "addEventListener"
  | "removeEventListener"
  | "peerRouting"
  | "peerStore"
> {
  handle(protocol: string, handler: StreamHandler, options?: object): Promise<void>;
  unhandle(protocols: readonly string[]): Promise<void>;
  /** The roster has changed: who may no longer be connected is cut off, where that is ours to decide. */
  review(): void;
  /** A link to the peer of this connection is up. */
  linked(connection: Connection): void;
  /** Lets go of everything that the mesh has of the node. */
  stop(): Promise<void>;
}

/** The components of a libp2p node that a mesh uses as its guest. */
export interface GuestComponents {
  readonly peerId: PeerId;
  readonly privateKey: PrivateKey;
  readonly peerRouting: PeerRouting;
  readonly peerStore: PeerStore;
  readonly events: Pick<Libp2p, "addEventListener" | "removeEventListener">;
  readonly addressManager: { getAddresses(): Multiaddr[] };
  readonly registrar: {
    handle(protocol: string, handler: StreamHandler, options?: object): Promise<void>;
    unhandle(protocol: string): Promise<void>;
  };
  readonly connectionManager: {
    getConnections(peer?: PeerId): Connection[];
    openConnection(peer: PeerId | Multiaddr | Multiaddr[], options?: object): Promise<Connection>;
    openStream(peer: PeerId | Multiaddr | Multiaddr[], protocol: string | string[], options?: object): Promise<Stream>;
  };
}

/** What libp2p weighs when it has too many connections: those of servers are the last to go. */
const SERVER_TAG = { "aorta-server": { value: 100 } };

/**
 * The host of a mesh that is one service among others. Who may connect, to what addresses, and for how long an idle
 * connection is kept stays the node's own affair; the guest guards its own protocols.
 */
export function guestHost(components: GuestComponents): MeshHost {
  const { peerId, peerRouting, peerStore, events, addressManager, registrar, connectionManager } = components;
  const unhandle = async (protocols: readonly string[]) => {
    await Promise.all(protocols.map((protocol) => registrar.unhandle(protocol)));
  };
  return {
    peerId,
    peerRouting,
    peerStore,
    dial: (peer, options) => connectionManager.openConnection(peer, options),
    dialProtocol: (peer, protocols, options) => connectionManager.openStream(peer, protocols, options),
    getConnections: (peer) => connectionManager.getConnections(peer),
    getMultiaddrs: () => addressManager.getAddresses(),
    addEventListener: events.addEventListener.bind(events),
    removeEventListener: events.removeEventListener.bind(events),
    handle: (protocol, handler, options) => registrar.handle(protocol, handler, options),
    unhandle,
    review() {
      // The peer may be here for another service; links to servers that were taken out are closed by the mesh itself.
    },
    linked(connection) {
      // Only how long the connection lives depends on it.
      peerStore.merge(connection.remotePeer, { tags: SERVER_TAG }).catch(() => undefined);
    },
    stop: () => unhandle([JOIN_PROTOCOL]),
  };
}
