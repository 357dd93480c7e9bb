import { createSocket } from "node:dgram";
import { once } from "node:events";
import { BlockList, isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { isLoopback } from "../../runtime/ip-addresses.ts";
import { limits } from "../../runtime/limits.ts";
import type { Timers } from "../../runtime/timers.ts";
import type { Flow } from "../stack.ts";

/** An address of one of the machine's interfaces. */
export interface MachineAddress {
  readonly address: string;
  /** With the length of its network's prefix: `192.0.2.5/24`. */
  readonly cidr: string | null;
  /** Of an interface that leads nowhere. */
  readonly internal: boolean;
}

/** Where a machine's addresses are learned from. */
export interface AddressSource {
  list(): readonly MachineAddress[];
  /** Whether the machine still has an address that is listed no more. */
  has(address: string): Promise<boolean>;
}

/** What a wildcard listener stands for: the machine's addresses as they were when it was last looked, which is every few seconds. */
export class MachineAddresses {
  readonly #source: AddressSource;
  readonly #onLook = new Set<() => void>();
  #known: readonly Known[] = [];
  /** Those of {@link behind}, made once for what is asked with each message. */
  #behind: Readonly<Record<string, readonly Known[]>> = {};
  #all: ReadonlySet<string> = new Set();

  constructor(source: AddressSource = INTERFACES) {
    this.#source = source;
    try {
      this.#know(source.list());
    } catch {
      // A sandbox may forbid it. Only a listener on a wildcard needs to know, which looks again before it starts.
    }
  }

  /** All addresses; another set whenever they have changed. */
  get all(): ReadonlySet<string> {
    return this.#all;
  }

  /**
   * What a listener on a wildcard listens on. Not the link-local addresses of IPv6: they mean nothing without the name of an interface,
   * which a SIP URI cannot say (RFC 3261 §25.1), so nobody could be told them.
   */
  behind(wildcard: string): ReadonlySet<string> {
    return new Set(this.#behind[wildcard]?.map(({ address }) => address));
  }

  /** The address behind a wildcard by which the peer of a flow knows this machine: the one that it came to; else one of a network that they share; else the first. */
  towards(flow: Flow, wildcard: string): string {
    const own = this.#behind[wildcard] ?? [];
    const [named, remote] = flow.transport === "MESH" ? [] : [hostOf(flow.listener), flow.address];
    if (own.some(({ address }) => address === named)) return named as string;
    const loopback = wildcard === "::" ? "::1" : "127.0.0.1";
    if (remote !== undefined && isLoopback(remote)) return loopback;
    const family = isIP(remote ?? "") === 6 ? "ipv6" : "ipv4";
    const near = own
      .filter(({ network }) => remote !== undefined && !isLinkLocal(remote) && network?.check(remote, family))
      .reduce<Known | undefined>((best, each) => (best && best.prefix >= each.prefix ? best : each), undefined);
    return (near ?? own.find(({ internal }) => !internal))?.address ?? loopback;
  }

  /** Told each time that it was looked. Returns how to stop it. */
  onLook(listener: () => void): () => void {
    this.#onLook.add(listener);
    return () => this.#onLook.delete(listener);
  }

  /** Looks again and again. Returns how to stop it. */
  watch(timers: Timers): () => void {
    let cancel: (() => void) | undefined;
    const wait = (): void => {
      cancel = timers.after(limits.sip.addressesMs, () => {
        // As when no descriptor is free: the next time will do.
        const looked = this.look().catch(() => {});
        void looked.then(() => cancel && wait());
      });
    };
    wait();
    return () => {
      cancel?.();
      cancel = undefined;
    };
  }

  async look(): Promise<void> {
    const listed = this.#source.list();
    const missing = this.#known.filter((old) => !listed.some(({ address }) => address === old.address));
    const has = await Promise.all(missing.map(({ address }) => this.#source.has(address)));
    this.#know([...listed, ...missing.filter((_, i) => has[i])]);
    for (const listener of this.#onLook) listener();
  }

  #know(addresses: readonly MachineAddress[]): void {
    this.#known = addresses.map(known);
    const all = new Set(addresses.map(({ address }) => address));
    const isSame = all.size === this.#all.size && [...all].every((address) => this.#all.has(address));
    if (!isSame) this.#all = all;
    const usable = Object.groupBy(this.#known, ({ address }) => (isIP(address) === 6 ? "::" : "0.0.0.0"));
    this.#behind = { ...usable, "::": (usable["::"] ?? []).filter(({ address }) => !isLinkLocal(address)) };
  }
}

interface Known extends MachineAddress {
  readonly network?: BlockList;
  readonly prefix: number;
}

function known({ address, cidr, internal }: MachineAddress): Known {
  if (cidr === null) return { address, cidr, internal, prefix: 0 };
  const prefix = Number(cidr.slice(cidr.indexOf("/") + 1));
  const network = new BlockList();
  network.addSubnet(address, prefix, isIP(address) === 6 ? "ipv6" : "ipv4");
  return { address, cidr, internal, network, prefix };
}

/** @see RFC 4291 §2.5.6 */
function isLinkLocal(address: string): boolean {
  return /^fe[89ab][0-9a-f]:/i.test(address);
}

function hostOf(listener: string | undefined): string | undefined {
  return listener?.slice(0, listener.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}

/** What Debian and those that come from it write beside the machine's own name in /etc/hosts. No interface has it, but where loopback is 127.0.0.0/8, it is the machine's. */
const DEBIANS_OWN: MachineAddress = { address: "127.0.1.1", cidr: "127.0.1.1/8", internal: true };

/** Of this machine's interfaces, and that of its name in Debian. */
export const INTERFACES: AddressSource = {
  list() {
    const listed = Object.values(networkInterfaces()).flatMap((addresses): MachineAddress[] => addresses ?? []);
    const hasLoopback = listed.some(({ cidr }) => cidr === "127.0.0.1/8");
    const isListed = listed.some(({ address }) => address === DEBIANS_OWN.address);
    return hasLoopback && !isListed ? [...listed, DEBIANS_OWN] : listed;
  },
  // An interface without a carrier is not listed, but its addresses still serve what runs on the machine itself.
  async has(address) {
    const socket = createSocket(isIP(address) === 6 ? "udp6" : "udp4");
    try {
      const listening = once(socket, "listening");
      socket.bind({ address, port: 0, exclusive: true });
      await listening;
      return true;
    } catch (error) {
      return !["EADDRNOTAVAIL", "EINVAL"].includes((error as NodeJS.ErrnoException).code ?? "");
    } finally {
      socket.close();
    }
  },
};
