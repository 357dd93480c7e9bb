import fc from "fast-check";
import type { Storage } from "../../node/storage/ports.ts";
import { openMemoryStorage } from "../../node/storage/storage.ts";
import type { SimulatedServer } from "./simulated-domain.ts";
import { SimulatedDomain } from "./simulated-domain.ts";

const NAMES = ["one", "two", "three"] as const;

/** What happens to servers in a storm. */
export type Weather =
  /**
   * The process of a server ends, by a kill or in order, and is back before anybody else could have its users. Meanwhile the storm goes on.
   */
  | { readonly kind: "restart"; readonly at: number; readonly downMs: number; readonly inOrder: boolean }
  /** The directory cannot be reached for a moment: the server loses all its users. */
  | { readonly kind: "lose-leases"; readonly at: number; readonly ms: number }
  /** All servers die, what the directory keeps in memory is lost, and they come back one by one. */
  | { readonly kind: "blackout"; readonly first: number; readonly apartMs: number }
  | { readonly kind: "wait"; readonly ms: number };

/** One of the servers. */
export const serverArb = fc.nat(NAMES.length - 1);

export const weatherArb: fc.Arbitrary<Weather> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("restart" as const),
      at: serverArb,
      downMs: fc.nat(8000),
      inOrder: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("lose-leases" as const), at: serverArb, ms: fc.nat(1500) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("blackout" as const), first: serverArb, apartMs: fc.nat(4000) }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(7000) }) },
);

/** As long as thousands of storms take when they are asked for. */
export const stormTimeoutMs = process.env["STORM_RUNS"] === undefined ? 60_000 : 0;

/** How often, and from which seed: a failing run is repeated by the environment variables `STORM_SEED` and `STORM_PATH`. */
export function stormParameters(numRuns: number): fc.Parameters<unknown> {
  const { STORM_RUNS: runs = numRuns, STORM_SEED: seed, STORM_PATH: path } = process.env;
  return {
    numRuns: Number(runs),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path }),
  };
}

interface StormOptions {
  /** What a new server finds. */
  readonly openDisk?: () => Storage;
  /** Servers die only when watchers can bear it. */
  readonly isGentle?: boolean;
}

/** Three servers of a domain, to which weather happens. */
export class StormyServers {
  readonly domain = new SimulatedDomain();
  readonly servers: SimulatedServer[];
  /** How often each has been started again. */
  readonly restarts: number[] = NAMES.map(() => 0);
  /** Servers that have left for good. */
  readonly left: SimulatedServer[] = [];
  #isLeaving = false;
  readonly #isDown: boolean[] = NAMES.map(() => false);
  readonly #onStart: (index: number) => void;
  /** When a server last was without its users: it takes them back a moment later. */
  #lostAtMs = -Infinity;
  readonly #openDisk: () => Storage;
  readonly #isGentle: boolean;

  /** @param onStart told of each server that is about to be started again */
  constructor(onStart: (index: number) => void, { openDisk = openMemoryStorage, isGentle = true }: StormOptions = {}) {
    this.#onStart = onStart;
    this.#openDisk = openDisk;
    this.#isGentle = isGentle;
    this.servers = NAMES.map((name) => this.domain.server(name, { storage: openDisk() }));
  }

  async blow(weather: Weather): Promise<void> {
    const { time, directory } = this.domain;
    switch (weather.kind) {
      case "wait":
        return time.advance(weather.ms);
      case "lose-leases":
        if (!this.isUp(weather.at)) return;
        directory.expire(this.servers[weather.at]!.locator);
        this.#lostAtMs = time.monotonicMs();
        // Longer than the grace of watchers would be no moment.
        return time.advance(weather.ms);
      case "restart":
        return this.#restart(weather.at, weather.downMs, weather.inOrder);
      case "blackout":
        return this.#blackout(weather.first, weather.apartMs);
    }
  }

  /** Waits until all servers are up. */
  async allUp(): Promise<void> {
    while (this.#isDown.includes(true)) await this.domain.time.advance(100);
  }

  isUp(index: number): boolean {
    return this.#isDown[index] === false;
  }

  /** Ends a process; its disk is left. */
  async end(index: number, inOrder = false): Promise<void> {
    // A server that dies before it has its users back leaves them to nobody for longer than watchers bear.
    if (this.#isGentle)
      await this.domain.time.advance(Math.max(0, this.#lostAtMs + 1500 - this.domain.time.monotonicMs()));
    if (inOrder) {
      // Servers that have just heard where the user is have to ask there before it can tell them that it stops.
      await this.domain.time.advance(100);
      await this.domain.stop(this.servers[index]!);
    } else this.domain.kill(this.servers[index]!);
    this.#isDown[index] = true;
  }

  /** @param wiped it finds its disk empty */
  begin(index: number, { wiped = false } = {}): void {
    const { name } = this.servers[index]!;
    this.#onStart(index);
    this.servers[index] = wiped
      ? this.domain.server(name, { storage: this.#openDisk() })
      : this.domain.restart(this.servers[index]!);
    this.restarts[index]! += 1;
    this.#isDown[index] = false;
    this.#lostAtMs = this.domain.time.monotonicMs();
  }

  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  /** A server leaves the domain for good, and another takes its place when it has gone. Meanwhile the storm goes on. */
  leave(index: number): void {
    if (!this.isUp(index)) return;
    this.#isDown[index] = true;
    this.#isLeaving = true;
    const leaving = this.servers[index]!;
    const others = () =>
      this.servers.filter(({ id }, at) => this.isUp(at) && this.domain.network.links.isUp(leaving.id, id));
    void this.domain.leave(leaving, others).then(() => {
      this.left.push(leaving);
      this.#onStart(index);
      this.servers[index] = this.domain.server(`${leaving.name}x`, { storage: this.#openDisk() });
      this.#isDown[index] = false;
      this.#isLeaving = false;
    });
  }

  async #restart(index: number, downMs: number, inOrder: boolean): Promise<void> {
    if (!this.isUp(index)) return;
    await this.end(index, inOrder);
    this.domain.time.after(downMs, () => this.begin(index));
  }

  async #blackout(first: number, apartMs: number): Promise<void> {
    await this.allUp();
    // Whatever is under way comes to its end: what a server has not heard of yet it cannot know afterwards.
    await this.domain.time.advance(3000);
    for (const server of this.servers) this.domain.kill(server);
    this.#isDown.fill(true);
    for (const { locator } of this.servers) this.domain.directory.expire(locator);
    this.domain.directory.forget();
    for (let count = 0; count < NAMES.length; count += 1) {
      this.begin((first + count) % NAMES.length);
      await this.domain.time.advance(apartMs);
    }
  }
}
