import type { Socket } from "node:net";
import { isLoopback, plainAddress } from "../../runtime/ip-addresses.ts";
import { limits } from "../../runtime/limits.ts";
import { LineLimit } from "../../runtime/line-limit.ts";
import { readProxyHeader } from "./proxy-header.ts";
import type { TransportComponents } from "./transport.ts";

/** The other end of a connection. */
interface Peer {
  readonly address: string;
  readonly port: number;
}

/** For whom proxies have made the connections of one listener, as the header says with which each begins. */
export class ProxiedClients {
  readonly #components: Pick<TransportComponents, "timers" | "counters" | "logger" | "clock">;
  readonly #clients = new Map<string, Peer>();
  readonly #lines = new LineLimit(1);

  constructor(components: Pick<TransportComponents, "timers" | "counters" | "logger" | "clock">) {
    this.#components = components;
  }

  /** The client, or who has connected where that is no proxy. @param socket also one that TLS has made of it */
  peerOf(socket: Socket): Peer {
    return this.#clients.get(keyOf(socket)) ?? endOf(socket);
  }

  /** Reads the header of a connection that has just been accepted, and hands on what comes after it. Without one in time the connection is closed. */
  expectHeader(socket: Socket, handOn: (peer: Peer) => void): void {
    const { timers } = this.#components;
    const proxy = endOf(socket);
    const key = keyOf(socket);
    let octets: Buffer = Buffer.alloc(0);
    const read = (): void => {
      for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null)
        octets = Buffer.concat([octets, chunk]);
      const header = readProxyHeader(octets);
      if (header === "more") return;
      stop();
      if (header === "broken") return this.#refuse(socket, proxy);
      const { client = proxy, length } = header;
      // Only who is on this machine itself can tell of others there, for whom there are no limits.
      if (isLoopback(client.address) && !isLoopback(proxy.address)) return this.#refuse(socket, proxy);
      this.#clients.set(key, client);
      // A proxy may have used its port again before this one is seen to close.
      socket.once("close", () => this.#clients.get(key) === client && this.#clients.delete(key));
      if (octets.length > length) socket.unshift(octets.subarray(length));
      handOn(client);
    };
    const ended = (): void => void socket.destroy();
    const cancel = timers.after(limits.sip.partialMessageMs, () => this.#refuse(socket, proxy));
    const stop = (): void => {
      cancel();
      socket.off("readable", read).off("end", ended).off("close", cancel);
    };
    socket.on("error", () => {});
    socket.on("readable", read).on("end", ended).on("close", cancel);
  }

  #refuse(socket: Socket, { address }: Peer): void {
    const { counters, logger, clock } = this.#components;
    counters.add("sip.proxy_headers_refused");
    const line = this.#lines.take(clock.monotonicMs());
    if (line !== undefined)
      logger.warn({ proxy: address, ...line }, "a connection of a proxy does not begin with a PROXY protocol header");
    socket.destroy();
  }
}

function endOf({ remoteAddress = "", remotePort = 0 }: Socket): Peer {
  return { address: plainAddress(remoteAddress), port: remotePort };
}

/** No two connections have both ends in common. */
function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return [remoteAddress, remotePort, localAddress, localPort].join(" ");
}
