import { isIP } from "node:net";
import type { Flow, ListenAddress, MeshTransport } from "../stack.ts";
import { listenerName, sentByAddress } from "./addresses.ts";
import { MeshChannel } from "./mesh-channel.ts";
import { StreamTransport } from "./stream-transport.ts";
import type { Transport, TransportComponents } from "./transport.ts";
import { UdpTransport } from "./udp-transport.ts";
import { WsTransport } from "./ws-transport.ts";

type SocketFlow = Exclude<Flow, { transport: "MESH" }>;

/** All transports of a node: starts them together, and finds the one for a flow. */
export class Transports {
  readonly #all: readonly Transport[];
  /** By transport and our end. */
  readonly #byListener = new Map<string, Map<string, Transport>>();
  #mesh: Transport | undefined;
  #started = false;

  constructor(listen: readonly ListenAddress[], mesh: MeshTransport | undefined, components: TransportComponents) {
    const sockets = listen.map((each) => createTransport(each, components));
    if (mesh !== undefined) this.#mesh = new MeshChannel(mesh, components.events);
    this.#all = this.#mesh === undefined ? sockets : [...sockets, this.#mesh];
  }

  /** Binds all listeners, or none. @throws {ConfigurationError} of the first that cannot be bound */
  async start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    try {
      for (const transport of this.#all) {
        await transport.start();
        const address = transport.address();
        if (address !== undefined) this.#listens(address, transport);
      }
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  #listens(address: ListenAddress, transport: Transport): void {
    const listeners = this.#byListener.get(address.transport) ?? new Map<string, Transport>();
    this.#byListener.set(address.transport, listeners.set(listenerName(address), transport));
  }

  async stop(): Promise<void> {
    this.#started = false;
    this.#byListener.clear();
    await Promise.all(this.#all.map((transport) => transport.stop()));
  }

  listening(): readonly ListenAddress[] {
    return this.#all.map((transport) => transport.address()).filter((address) => address !== undefined);
  }

  send(flow: Flow, bytes: Uint8Array, failed: (reason: string) => void): void {
    const transport = flow.transport === "MESH" ? this.#mesh : this.#find(flow);
    if (transport === undefined) failed(`no ${flow.transport} listener`);
    else transport.send(flow, bytes, failed);
  }

  /** Whether a flow names a stream connection that is gone. */
  hasClosed(flow: SocketFlow): boolean {
    return flow.connection !== undefined && this.#find(flow)?.hasClosed?.(flow) === true;
  }

  /** What Via says about us towards a flow. */
  sentBy(flow: SocketFlow): { host: string; port?: number } {
    const bound = this.#find(flow)?.address() ?? this.listening()[0];
    if (bound === undefined) return { host: "node.invalid" };
    return { host: sentByAddress(bound.address, flow.address), port: bound.port };
  }

  /** The listener that the flow names; else, as after a restart on another port, one of its transport and address family. */
  #find(flow: SocketFlow): Transport | undefined {
    const listeners = this.#byListener.get(flow.transport);
    const named = flow.listener === undefined ? undefined : listeners?.get(flow.listener);
    if (named !== undefined) return named;
    const family = isIP(flow.address);
    for (const transport of listeners?.values() ?? []) {
      const address = transport.address();
      if (address !== undefined && isIP(address.address) === family) return transport;
    }
    return undefined;
  }
}

function createTransport(listen: ListenAddress, components: TransportComponents): Transport {
  switch (listen.transport) {
    case "UDP":
      return new UdpTransport(listen, components);
    case "TCP":
    case "TLS":
      return new StreamTransport(listen.transport, listen, components);
    case "WS":
    case "WSS":
      return new WsTransport(listen.transport, listen, components);
  }
}
