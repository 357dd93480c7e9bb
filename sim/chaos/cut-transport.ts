import type {
  ComponentLogger,
  CreateListenerOptions,
  DialTransportOptions,
  Listener,
  Metrics,
  MultiaddrConnection,
  Transport,
} from "@libp2p/interface";
import { transportSymbol } from "@libp2p/interface";
import { tcp } from "@libp2p/tcp";
import type { SendResult } from "@libp2p/utils";
import { AbstractMultiaddrConnection } from "@libp2p/utils";
import type { Multiaddr } from "@multiformats/multiaddr";
import type { TransportFactory } from "../../node/mesh/host.ts";

/** One direction between two servers, each named by the port on which it listens for the others. */
export type Direction = readonly [fromPort: number, toPort: number];

/** Which directions between servers are cut at present. */
export class Cuts {
  #cut = new Set<string>();
  readonly #listeners = new Set<() => void>();

  /** Replaces all cuts. */
  set(directions: readonly Direction[]): void {
    this.#cut = new Set(directions.map(nameOf));
    for (const listener of [...this.#listeners]) listener();
  }

  isCut(direction: Direction): boolean {
    return this.#cut.has(nameOf(direction));
  }

  /** Calls `listener` after every change; returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

const nameOf = ([from, to]: Direction): string => `${from}>${to}`;

/**
 * TCP between the servers of one machine, with directions that can be cut. What is sent into a cut waits and arrives in order
 * after the healing, as with a network that swallows packets while TCP goes on retransmitting; nobody is told that a connection is in vain.
 * The side that dialled knows whom, so it alone holds back both directions; a dial goes through when both are open.
 */
export function cuttableTcp(ownPort: number, cuts: Cuts): TransportFactory {
  return (components) => new CuttableTcp(ownPort, cuts, components);
}

type Components = { readonly logger: ComponentLogger; readonly metrics?: Metrics };

class CuttableTcp implements Transport {
  readonly [Symbol.toStringTag] = "aorta-cuttable-tcp";
  readonly [transportSymbol] = true as const;
  readonly #ownPort: number;
  readonly #cuts: Cuts;
  readonly #components: Components;
  readonly #tcp: Transport;

  constructor(ownPort: number, cuts: Cuts, components: Components) {
    this.#ownPort = ownPort;
    this.#cuts = cuts;
    this.#components = components;
    this.#tcp = tcp()(components);
  }

  async dial(address: Multiaddr, options: DialTransportOptions): ReturnType<Transport["dial"]> {
    const peerPort = portOf(address);
    const path: Path = { cuts: this.#cuts, out: [this.#ownPort, peerPort], back: [peerPort, this.#ownPort] };
    await whenOpen(path, options.signal);
    const { upgrader } = options;
    return this.#tcp.dial(address, {
      ...options,
      upgrader: {
        upgradeOutbound: (connection, upgrade) =>
          upgrader.upgradeOutbound(new CuttableConnection(connection, path, this.#components), upgrade),
        upgradeInbound: (connection, upgrade) => upgrader.upgradeInbound(connection, upgrade),
        createInboundAbortSignal: (signal) => upgrader.createInboundAbortSignal(signal),
        getConnectionEncrypters: () => upgrader.getConnectionEncrypters(),
        getStreamMuxers: () => upgrader.getStreamMuxers(),
      },
    });
  }

  createListener(options: CreateListenerOptions): Listener {
    return this.#tcp.createListener(options);
  }

  listenFilter(addresses: Multiaddr[]): Multiaddr[] {
    return this.#tcp.listenFilter(addresses);
  }

  dialFilter(addresses: Multiaddr[]): Multiaddr[] {
    return this.#tcp.dialFilter(addresses);
  }
}

/** Both directions of a connection, and what may cut them. */
interface Path {
  readonly cuts: Cuts;
  readonly out: Direction;
  readonly back: Direction;
}

const portOf = (address: Multiaddr): number =>
  Number(address.getComponents().find(({ name }) => name === "tcp")?.value ?? 0);

/** As a SYN and its answer: resolves when both directions are open. */
function whenOpen({ cuts, out, back }: Path, signal: AbortSignal): Promise<void> {
  const isOpen = () => !cuts.isCut(out) && !cuts.isCut(back);
  if (isOpen()) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const finish = (end: () => void) => {
      stop();
      signal.removeEventListener("abort", aborted);
      end();
    };
    const aborted = () => finish(() => reject(signal.reason as Error));
    const stop = cuts.onChange(() => isOpen() && finish(resolve));
    signal.addEventListener("abort", aborted, { once: true });
  });
}

/** Our end of a connection that we dialled. */
class CuttableConnection extends AbstractMultiaddrConnection {
  readonly #socket: MultiaddrConnection;
  readonly #path: Path;
  /** What was written or done into the cut, in order. */
  readonly #heldOut: (() => void)[] = [];
  /** What came out of the cut, after what the paused socket still holds. */
  readonly #heldIn: (() => void)[] = [];
  readonly #stop: () => void;

  constructor(socket: MultiaddrConnection, path: Path, components: Components) {
    const log = components.logger.forComponent("aorta:cuttable-connection");
    super({ remoteAddr: socket.remoteAddr, direction: "outbound", log });
    this.#socket = socket;
    this.#path = path;
    socket.addEventListener("message", ({ data }) => {
      const bytes = data.slice();
      this.#in(() => this.onData(bytes));
    });
    socket.addEventListener("drain", () => this.safeDispatchEvent("drain"));
    socket.addEventListener("remoteCloseWrite", () => this.#in(() => this.onRemoteCloseWrite()));
    socket.addEventListener("close", ({ error }) =>
      this.#in(() => (error === undefined ? this.onTransportClosed() : this.onRemoteReset())),
    );
    this.#stop = path.cuts.onChange(() => this.#changed());
  }

  sendData(data: Parameters<AbstractMultiaddrConnection["sendData"]>[0]): SendResult {
    let canSendMore = true;
    const bytes = data.slice();
    this.#out(() => {
      if (this.#socket.status === "open") canSendMore = this.#socket.send(bytes);
    });
    return { sentBytes: data.byteLength, canSendMore };
  }

  sendReset(error: Error): void {
    this.#out(() => {
      this.#stop();
      this.#socket.abort(error);
    });
  }

  sendClose(): Promise<void> {
    this.#out(() => {
      this.#stop();
      void this.#socket.close().catch((error: Error) => this.#socket.abort(error));
    });
    this.onTransportClosed();
    return Promise.resolve();
  }

  sendPause(): void {
    if (this.#socket.status === "open") this.#socket.pause();
  }

  sendResume(): void {
    if (this.#socket.status === "open") this.#socket.resume();
  }

  #out(act: () => void): void {
    if (this.#path.cuts.isCut(this.#path.out)) this.#heldOut.push(act);
    else act();
  }

  #in(act: () => void): void {
    if (this.#path.cuts.isCut(this.#path.back)) this.#heldIn.push(act);
    else act();
  }

  #changed(): void {
    const { cuts, out, back } = this.#path;
    if (!cuts.isCut(out)) for (const act of this.#heldOut.splice(0)) act();
    if (!cuts.isCut(back)) for (const act of this.#heldIn.splice(0)) act();
  }
}
