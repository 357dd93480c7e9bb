import type { MultiaddrConnection } from "@libp2p/interface";
import { isLoopback, plainAddress, sourceOf } from "../runtime/ip-addresses.ts";
import { limits } from "../runtime/limits.ts";

/** Connections that have come in and not shown yet whose they are. There are places for so many: one host is not to take them all. */
export class Handshakes {
  readonly #bySource = new Map<string, number>();
  readonly #sources = new Map<MultiaddrConnection, string>();

  /** A connection has come in; false when there are too many of its source. This machine's own have no bound of theirs. */
  begin(connection: MultiaddrConnection): boolean {
    const source = otherMachine(connection);
    if (source === undefined) return true;
    const underWay = this.#bySource.get(source) ?? 0;
    if (underWay >= limits.mesh.inboundPendingPerSource) return false;
    this.#bySource.set(source, underWay + 1);
    this.#sources.set(connection, source);
    connection.addEventListener("close", () => this.end(connection), { once: true });
    return true;
  }

  /** It has shown whose it is, or has closed. */
  end(connection: MultiaddrConnection): void {
    const source = this.#sources.get(connection);
    if (source === undefined) return;
    this.#sources.delete(connection);
    const left = (this.#bySource.get(source) ?? 1) - 1;
    if (left === 0) this.#bySource.delete(source);
    else this.#bySource.set(source, left);
  }
}

/** Where a connection comes from, as limits count it; `undefined` for this machine, and where it does not come over IP. */
export function otherMachine({ remoteAddr }: Pick<MultiaddrConnection, "remoteAddr">): string | undefined {
  const host = remoteAddr.getComponents().find(({ name }) => name === "ip4" || name === "ip6")?.value;
  const address = host === undefined ? undefined : plainAddress(host);
  return address === undefined || isLoopback(address) ? undefined : sourceOf(address);
}
