import type {
  ComponentLogger,
  CreateListenerOptions,
  DialTransportOptions,
  Listener,
  ListenerEvents,
  Transport,
} from "@libp2p/interface";
import { transportSymbol, TypedEventEmitter } from "@libp2p/interface";
import type { SendResult } from "@libp2p/utils";
import { AbstractMultiaddrConnection } from "@libp2p/utils";
import type { Multiaddr } from "@multiformats/multiaddr";
import { multiaddr } from "@multiformats/multiaddr";
import type { TransportFactory } from "../../node/mesh/host.ts";

type Components = { readonly logger: ComponentLogger };

/**
 * A network in memory between libp2p nodes that listen on `/memory/<name>`. A direction between two nodes can be cut: bytes
 * then wait, as they do in a black hole that TCP keeps retransmitting into, and arrive in order when it heals. Encryption and muxers are the real ones.
 */
export class FaultNetwork {
  readonly #listeners = new Map<string, FaultListener>();
  readonly #cut = new Set<string>();
  readonly #waiting = new Map<string, (() => void)[]>();

  /** The transport of the node that is called `name`. */
  transport(name: string): TransportFactory {
    return (components) => new FaultTransport(this, name, components);
  }

  /** Holds everything from one node to another, connections that are being made included. */
  cut(from: string, to: string): void {
    this.#cut.add(`${from}>${to}`);
  }

  /** Cuts both ways between every node of one side and every node of the other. */
  split(side: readonly string[], other: readonly string[]): void {
    for (const a of side) {
      for (const b of other) {
        this.cut(a, b);
        this.cut(b, a);
      }
    }
  }

  /** Lets everything through again, first of all what waited. */
  heal(): void {
    this.#cut.clear();
    const waiting = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    for (const deliver of waiting) deliver();
  }

  /** Delivers in a later turn, or when the direction heals; in order. */
  carry(from: string, to: string, deliver: () => void): void {
    const direction = `${from}>${to}`;
    if (!this.#cut.has(direction)) {
      setImmediate(() => (this.#cut.has(direction) ? this.#hold(direction, deliver) : deliver()));
    } else this.#hold(direction, deliver);
  }

  #hold(direction: string, deliver: () => void): void {
    const waiting = this.#waiting.get(direction);
    if (waiting === undefined) this.#waiting.set(direction, [deliver]);
    else waiting.push(deliver);
  }

  listener(name: string): FaultListener | undefined {
    return this.#listeners.get(name);
  }

  listen(name: string, listener: FaultListener): void {
    this.#listeners.set(name, listener);
  }

  unlisten(name: string): void {
    this.#listeners.delete(name);
  }
}

const nameOf = (address: Multiaddr): string =>
  address.getComponents().find((component) => component.name === "memory")?.value ?? "";

const isMemory = (address: Multiaddr): boolean => nameOf(address) !== "";

/** One end of a connection. */
class FaultConnection extends AbstractMultiaddrConnection {
  readonly #network: FaultNetwork;
  readonly #from: string;
  readonly #to: string;
  peer: FaultConnection | undefined;

  constructor(
    network: FaultNetwork,
    from: string,
    to: string,
    direction: "inbound" | "outbound",
    components: Components,
  ) {
    const log = components.logger.forComponent("aorta:fault-network");
    super({ remoteAddr: multiaddr(`/memory/${to}`), direction, log });
    this.#network = network;
    this.#from = from;
    this.#to = to;
  }

  sendData(data: Parameters<AbstractMultiaddrConnection["sendData"]>[0]): SendResult {
    const bytes = data.slice();
    this.#carry((peer) => peer.onData(bytes));
    return { sentBytes: data.byteLength, canSendMore: true };
  }

  sendReset(): void {
    this.#carry((peer) => peer.onRemoteReset());
  }

  sendClose(): Promise<void> {
    this.#carry((peer) => peer.onTransportClosed());
    this.onTransportClosed();
    return Promise.resolve();
  }

  // The other end buffers as much as comes: tests do not send more than memory holds.
  sendPause(): void {}
  sendResume(): void {}

  #carry(deliver: (peer: FaultConnection) => void): void {
    this.#network.carry(this.#from, this.#to, () => this.peer !== undefined && deliver(this.peer));
  }
}

class FaultListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #network: FaultNetwork;
  readonly #options: CreateListenerOptions;
  readonly #stopped = new AbortController();
  readonly components: Components;
  #address: Multiaddr | undefined;

  constructor(network: FaultNetwork, options: CreateListenerOptions, components: Components) {
    super();
    this.#network = network;
    this.#options = options;
    this.components = components;
  }

  listen(address: Multiaddr): Promise<void> {
    this.#address = address;
    this.#network.listen(nameOf(address), this);
    queueMicrotask(() => this.safeDispatchEvent("listening"));
    return Promise.resolve();
  }

  accept(connection: FaultConnection): void {
    this.#options.upgrader
      .upgradeInbound(connection, { signal: this.#stopped.signal })
      .catch((error: Error) => connection.abort(error));
  }

  getAddrs(): Multiaddr[] {
    return this.#address === undefined ? [] : [this.#address];
  }

  close(): Promise<void> {
    if (this.#address !== undefined) this.#network.unlisten(nameOf(this.#address));
    this.#stopped.abort();
    queueMicrotask(() => this.safeDispatchEvent("close"));
    return Promise.resolve();
  }

  updateAnnounceAddrs(): void {}
}

class FaultTransport implements Transport {
  readonly [Symbol.toStringTag] = "aorta-fault-transport";
  readonly [transportSymbol] = true as const;
  readonly #network: FaultNetwork;
  readonly #name: string;
  readonly #components: Components;

  constructor(network: FaultNetwork, name: string, components: Components) {
    this.#network = network;
    this.#name = name;
    this.#components = components;
  }

  async dial(address: Multiaddr, options: DialTransportOptions): ReturnType<Transport["dial"]> {
    const to = nameOf(address);
    const listener = await this.#reach(to, options.signal);
    const near = new FaultConnection(this.#network, this.#name, to, "outbound", this.#components);
    const far = new FaultConnection(this.#network, to, this.#name, "inbound", listener.components);
    near.peer = far;
    far.peer = near;
    this.#network.carry(this.#name, to, () => listener.accept(far));
    try {
      return await options.upgrader.upgradeOutbound(near, options);
    } catch (error) {
      near.abort(error as Error);
      throw error;
    }
  }

  /** As a SYN and its answer: both directions have to be open. */
  #reach(to: string, signal: AbortSignal): Promise<FaultListener> {
    return new Promise((resolve, reject) => {
      const aborted = () => reject(signal.reason as Error);
      signal.addEventListener("abort", aborted, { once: true });
      this.#network.carry(this.#name, to, () =>
        this.#network.carry(to, this.#name, () => {
          signal.removeEventListener("abort", aborted);
          const listener = this.#network.listener(to);
          if (listener === undefined) reject(new Error(`nothing listens on /memory/${to}`));
          else resolve(listener);
        }),
      );
    });
  }

  createListener(options: CreateListenerOptions): Listener {
    return new FaultListener(this.#network, options, this.#components);
  }

  listenFilter(addresses: Multiaddr[]): Multiaddr[] {
    return addresses.filter(isMemory);
  }

  dialFilter(addresses: Multiaddr[]): Multiaddr[] {
    return addresses.filter(isMemory);
  }
}
