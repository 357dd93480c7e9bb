import type { Socket } from "node:dgram";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { isIP } from "node:net";
import { plainAddress } from "../../runtime/ip-addresses.ts";
import { limits } from "../../runtime/limits.ts";
import type { Flow, ListenAddress } from "../stack.ts";
import { bindError, listenerName } from "./addresses.ts";
import { isKeepAlive } from "./keep-alive.ts";
import { answerStun, isStun } from "./stun.ts";
import type { Transport, TransportComponents } from "./transport.ts";

/**
 * SIP over UDP: a datagram is a message.
 *
 * A request above 1300 octets ought to go by a transport with congestion control (RFC 3261 §18.1.1). It goes by UDP all
 * the same when its flow is UDP: flows are those that clients registered over, and behind a NAT there is no other.
 */
export class UdpTransport implements Transport {
  readonly name = "UDP";
  readonly #listen: ListenAddress;
  readonly #components: TransportComponents;
  #socket: Socket | undefined;
  #bound: ListenAddress | undefined;

  constructor(listen: ListenAddress, components: TransportComponents) {
    this.#listen = listen;
    this.#components = components;
  }

  async start(): Promise<void> {
    const { address, port } = this.#listen;
    const family = isIP(address) === 6 ? 6 : 4;
    const socket = createSocket({
      type: family === 6 ? "udp6" : "udp4",
      ipv6Only: family === 6,
      // Destinations are IP literals: without this each datagram would pass through the resolver.
      lookup: (host, _options, callback) => callback(null, host, family),
    });
    try {
      const listening = once(socket, "listening");
      socket.bind({ address, port, exclusive: true });
      await listening;
    } catch (error) {
      socket.close();
      throw bindError(error, this.#listen);
    }
    socket.setRecvBufferSize(limits.sip.udpBufferBytes);
    socket.setSendBufferSize(limits.sip.udpBufferBytes);
    this.#bound = { ...this.#listen, port: socket.address().port };
    const listener = listenerName(this.#bound);
    socket.on("message", (bytes, remote) => {
      // Nothing can be sent to port 0: whoever sends from it wants no answer.
      if (isKeepAlive(bytes) || remote.port === 0) return;
      this.#receive(bytes, {
        transport: "UDP",
        address: plainAddress(remote.address),
        port: remote.port,
        listener,
      });
    });
    // Errors of one datagram come to its callback; an error here means that the peer's host refused an earlier one.
    socket.on("error", () => {});
    this.#socket = socket;
  }

  #receive(bytes: Uint8Array, flow: Flow & { readonly transport: "UDP" }): void {
    const { events, sources, clock, counters } = this.#components;
    switch (sources.datagram(flow.address, clock.monotonicMs(), bytes.length)) {
      case "serve":
        return isStun(bytes) ? this.#answerStun(bytes, flow) : events.received(bytes, flow);
      case "refuse":
        counters.add("sip.flood_refused");
        return isStun(bytes) ? undefined : events.excess(bytes, flow);
      case "drop":
        counters.add("sip.flood_dropped");
    }
  }

  #answerStun(bytes: Uint8Array, flow: Flow & { readonly transport: "UDP" }): void {
    this.#components.counters.add("sip.stun");
    const answer = answerStun(bytes, flow);
    if (answer !== undefined) this.send(flow, answer, () => {});
  }

  async stop(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#socket = undefined;
    socket.close();
    await once(socket, "close");
  }

  address(): ListenAddress | undefined {
    return this.#bound;
  }

  send(flow: Flow, bytes: Uint8Array, failed: (reason: string) => void): void {
    if (flow.transport === "MESH" || this.#socket === undefined) return failed("not listening");
    this.#socket.send(bytes, flow.port, flow.address, (error) => {
      if (error !== null) failed(error.message);
    });
  }
}
