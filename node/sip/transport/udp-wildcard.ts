import { isLoopback } from "../../runtime/ip-addresses.ts";
import { AortaError } from "../../runtime/errors.ts";
import type { Flow, ListenAddress, SocketFlow } from "../stack.ts";
import { bindError } from "./addresses.ts";
import type { Transport, TransportComponents } from "./transport.ts";
import { UdpTransport } from "./udp-transport.ts";

/** How often a free port is picked anew when it turns out to be taken on another address. */
const PORTS_TRIED = 10;

/**
 * SIP over UDP on all addresses of the machine: a socket for each, all on one port. A socket on the wildcard itself would let the kernel
 * choose from which address an answer leaves; it has to be the one that the request came to, or clients and NATs drop it.
 *
 * Addresses that appear are listened on when they are seen; the sockets of those that are gone are closed, and their flows go on from another one.
 * @see RFC 3581 §4; RFC 3261 §18.2.2
 */
export class UdpWildcard implements Transport {
  readonly name = "UDP";
  readonly #listen: ListenAddress;
  readonly #components: TransportComponents;
  /** By address. */
  readonly #sockets = new Map<string, UdpTransport>();
  /** Addresses that could not be listened on, which has been said. */
  readonly #failed = new Set<string>();
  #bound: ListenAddress | undefined;
  #stopFollowing = (): void => {};
  #following: Promise<void> = Promise.resolve();

  constructor(listen: ListenAddress, components: TransportComponents) {
    this.#listen = listen;
    this.#components = components;
  }

  async start(): Promise<void> {
    const { machine, logger } = this.#components;
    await this.#openAll(PORTS_TRIED);
    this.#stopFollowing = machine.onLook(() => {
      this.#following = this.#following.then(() => this.#follow());
    });
    logger.info({ listen: this.#bound, addresses: [...this.#sockets.keys()] }, "SIP over UDP on each address");
  }

  async stop(): Promise<void> {
    this.#stopFollowing();
    await this.#following;
    await this.#closeAll();
  }

  address(): ListenAddress | undefined {
    return this.#bound;
  }

  send(flow: Flow, bytes: Uint8Array, failed: (reason: string) => void): void {
    const socket = flow.transport === "MESH" ? undefined : this.#socketFor(flow);
    if (socket === undefined) failed("not listening");
    else socket.send(flow, bytes, failed);
  }

  #socketFor(flow: SocketFlow): UdpTransport | undefined {
    const own = this.#components.machine.towards(flow, this.#listen.address);
    const named = this.#sockets.get(own);
    if (named !== undefined) return named;
    // One that could not be listened on. Loopback leads nowhere else.
    for (const [address, socket] of this.#sockets) if (isLoopback(address) === isLoopback(flow.address)) return socket;
    return undefined;
  }

  async #openAll(tries: number): Promise<void> {
    this.#bound = this.#listen;
    try {
      for (const address of this.#addresses()) await this.#open(address);
    } catch (error) {
      await this.#closeAll();
      const again = this.#listen.port === 0 && tries > 1 && isCode(error, "PORT_IN_USE");
      if (!again) throw error;
      await this.#openAll(tries - 1);
    }
    if (this.#sockets.size === 0) throw bindError({ code: "EADDRNOTAVAIL" }, this.#listen);
  }

  /** Opens the socket of an address; not where the address is no longer, or not yet, the machine's. @throws {OperationalError} @throws {ConfigurationError} */
  async #open(address: string): Promise<boolean> {
    const socket = new UdpTransport({ ...(this.#bound as ListenAddress), address }, this.#components);
    try {
      await socket.start();
    } catch (error) {
      if (isCode(error, "ADDRESS_NOT_AVAILABLE")) return false;
      throw error;
    }
    this.#sockets.set(address, socket);
    this.#bound = { ...this.#listen, port: socket.address()?.port as number };
    return true;
  }

  async #closeAll(): Promise<void> {
    const sockets = [...this.#sockets.values()];
    this.#sockets.clear();
    await Promise.all(sockets.map((socket) => socket.stop()));
  }

  async #follow(): Promise<void> {
    const { logger } = this.#components;
    const addresses = this.#addresses();
    for (const [address, socket] of this.#sockets) {
      if (addresses.has(address)) continue;
      this.#sockets.delete(address);
      await socket.stop();
      logger.info({ address }, "SIP over UDP no longer on this address: the machine has it no more");
    }
    for (const address of addresses) {
      if (this.#sockets.has(address)) continue;
      try {
        if (!(await this.#open(address))) continue;
        this.#failed.delete(address);
        logger.info({ address }, "SIP over UDP on this address, too");
      } catch (error) {
        if (!this.#failed.has(address)) logger.warn({ err: error, address }, "no SIP over UDP on this address");
        this.#failed.add(address);
      }
    }
  }

  #addresses(): ReadonlySet<string> {
    return this.#components.machine.behind(this.#listen.address);
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof AortaError && error.code === code;
}
