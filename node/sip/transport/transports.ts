import { isIP } from "node:net";
import { isLoopback } from "../../runtime/ip-addresses.ts";
import { ConfigurationError } from "../../runtime/errors.ts";
import type { Flow, ListenAddress, MeshTransport, SocketFlow } from "../stack.ts";
import { isWildcard, listenerName } from "./addresses.ts";
import type { MachineAddresses } from "./machine-addresses.ts";
import { MeshChannel } from "./mesh-channel.ts";
import { StreamTransport } from "./stream-transport.ts";
import type { Transport, TransportComponents } from "./transport.ts";
import { UdpTransport } from "./udp-transport.ts";
import { UdpWildcard } from "./udp-wildcard.ts";
import { WsTransport } from "./ws-transport.ts";

/** All transports of a node: starts them together, and finds the one for a flow. */
export class Transports {
  readonly #all: readonly Transport[];
  /** By transport and our end. */
  readonly #byListener = new Map<string, Map<string, Transport>>();
  readonly #machine: MachineAddresses;
  readonly #hasWildcard: boolean;
  #mesh: Transport | undefined;
  #started = false;

  constructor(listen: readonly ListenAddress[], mesh: MeshTransport | undefined, components: TransportComponents) {
    this.#machine = components.machine;
    this.#hasWildcard = listen.some(({ address }) => isWildcard(address));
    const sockets = listen.map((each) => createTransport(each, components));
    if (mesh !== undefined) this.#mesh = new MeshChannel(mesh, components.events);
    this.#all = this.#mesh === undefined ? sockets : [...sockets, this.#mesh];
  }

  /** Binds all listeners, or none. @throws {OperationalError} @throws {ConfigurationError} of the first that cannot be bound; `ADDRESSES_UNKNOWN` */
  async start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    try {
      if (this.#hasWildcard) await this.#lookAtMachine();
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

  async #lookAtMachine(): Promise<void> {
    try {
      await this.#machine.look();
    } catch (cause) {
      throw new ConfigurationError(
        "ADDRESSES_UNKNOWN",
        `cannot listen for SIP on 0.0.0.0 or [::], as the system does not say which addresses this machine has (${(cause as Error).message}): name each one to listen on`,
        { cause },
      );
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

  /** Bound addresses. @param towards in place of wildcards, the addresses by which the peer of this flow knows this machine */
  listening(towards?: Flow): readonly ListenAddress[] {
    const bound = this.#all.map((transport) => transport.address()).filter((address) => address !== undefined);
    return towards === undefined ? bound : bound.map((each) => this.#asKnown(each, towards));
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

  /** Closes the stream connection that a flow names. */
  close(flow: SocketFlow): void {
    this.#find(flow)?.close?.(flow);
  }

  /** Who is at the other end of a flow has shown who they are. */
  known(flow: SocketFlow): void {
    this.#find(flow)?.known?.(flow);
  }

  /** Our end of a flow, as its peer knows it: what Via, Contact and Record-Route say there. `undefined` while nothing listens. */
  ownEnd(flow: SocketFlow): ListenAddress | undefined {
    const bound = this.#find(flow)?.address() ?? this.listening()[0];
    return bound === undefined ? undefined : this.#asKnown(bound, flow);
  }

  #asKnown(bound: ListenAddress, flow: Flow): ListenAddress {
    return isWildcard(bound.address) ? { ...bound, address: this.#machine.towards(flow, bound.address) } : bound;
  }

  /**
   * The listener that the flow names. Else one of its transport and address family: on the port that it names, which is what a wildcard listens
   * on by another name; and, as after a restart on other addresses, one from which the peer can be reached.
   */
  #find(flow: SocketFlow): Transport | undefined {
    const listeners = this.#byListener.get(flow.transport);
    const named = flow.listener === undefined ? undefined : listeners?.get(flow.listener);
    if (named !== undefined) return named;
    let best: Transport | undefined;
    let bestRank = -1;
    for (const transport of listeners?.values() ?? []) {
      const bound = transport.address();
      if (bound === undefined || isIP(bound.address) !== isIP(flow.address)) continue;
      const rank = (flow.listener?.endsWith(`:${bound.port}`) ? 2 : 0) + (reaches(bound, flow) ? 1 : 0);
      if (rank > bestRank) [best, bestRank] = [transport, rank];
    }
    return best;
  }
}

/** Whether messages from a listener can be expected to reach the peer of a flow: loopback leads nowhere else. */
function reaches({ address }: ListenAddress, flow: SocketFlow): boolean {
  return isWildcard(address) || isLoopback(address) === isLoopback(flow.address);
}

function createTransport(listen: ListenAddress, components: TransportComponents): Transport {
  switch (listen.transport) {
    case "UDP":
      return isWildcard(listen.address) ? new UdpWildcard(listen, components) : new UdpTransport(listen, components);
    case "TCP":
    case "TLS":
      return new StreamTransport(listen.transport, listen, components);
    case "WS":
    case "WSS":
      return new WsTransport(listen.transport, listen, components);
  }
}
