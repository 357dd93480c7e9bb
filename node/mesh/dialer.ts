import type { Connection, PeerId } from "@libp2p/interface";
import type { Multiaddr } from "@multiformats/multiaddr";
import { multiaddr } from "@multiformats/multiaddr";
import { limits } from "../runtime/limits.ts";
import { peerOf } from "./addresses.ts";
import type { MeshHost } from "./mesh-host.ts";

/** What a dialer needs of the libp2p node. */
type DialHost = Pick<MeshHost, "dial" | "getConnections" | "peerRouting" | "peerStore">;

/**
 * Finds a way to a server: addresses of the roster and of the operator first; when they fail, those that other servers told (identify),
 * that the local network told (mDNS), and that kad-dht finds.
 */
export class Dialer {
  readonly #host: DialHost;
  readonly #bootstrap: readonly Multiaddr[];

  /** @param bootstrap addresses an operator gave; one that ends in a peer id is used for that peer alone */
  constructor(host: DialHost, bootstrap: readonly Multiaddr[]) {
    this.#host = host;
    this.#bootstrap = bootstrap;
  }

  /**
   * A connection to the peer: one that exists, or a new one.
   * @param attempt failures so far: every second dial asks kad-dht too
   */
  async dial(peer: PeerId, addresses: readonly string[], attempt: number, signal: AbortSignal): Promise<Connection> {
    const suffix = `/p2p/${peer.toString()}`;
    const own = addresses.map((address) => multiaddr(address + suffix));
    const given = this.#bootstrap
      .filter((address) => belongsTo(address, peer))
      .map((address) => withPeer(address, suffix));
    try {
      return await this.#open(peer, [...own, ...given], signal);
    } catch (error) {
      if (attempt % 2 === 0 || signal.aborted) throw error;
      const found = await this.#find(peer, signal);
      const news = found.filter((address) => !own.some((known) => known.equals(address)));
      if (news.length === 0) throw error;
      return await this.#open(
        peer,
        news.map((address) => withPeer(address, suffix)),
        signal,
      );
    }
  }

  #open(peer: PeerId, addresses: Multiaddr[], signal: AbortSignal): Promise<Connection> {
    const existing = this.#host.getConnections(peer).find((one) => one.status === "open");
    if (existing !== undefined) return Promise.resolve(existing);
    if (addresses.length === 0) throw new Error("no address of the peer is known");
    return this.#host.dial(addresses, { signal: AbortSignal.any([signal, AbortSignal.timeout(limits.mesh.dialMs)]) });
  }

  /** Addresses learned otherwise; none is an answer too, for what the dial itself said is the better reason to report. */
  async #find(peer: PeerId, signal: AbortSignal): Promise<Multiaddr[]> {
    const limited = { signal: AbortSignal.any([signal, AbortSignal.timeout(limits.mesh.findPeerMs)]) };
    const [stored, found] = await Promise.allSettled([
      this.#host.peerStore.get(peer, limited).then((known) => known.addresses.map(({ multiaddr: address }) => address)),
      this.#host.peerRouting.findPeer(peer, limited).then((info) => info.multiaddrs),
    ]);
    return [found, stored].flatMap((result) => (result.status === "fulfilled" ? result.value : []));
  }
}

function belongsTo(address: Multiaddr, peer: PeerId): boolean {
  const named = peerOf(address);
  return named === undefined || named === peer.toString();
}

function withPeer(address: Multiaddr, suffix: string): Multiaddr {
  return peerOf(address) === undefined ? address.encapsulate(suffix) : address;
}
