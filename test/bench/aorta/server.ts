import type { Aor } from "../../../dht-schema/aor.ts";
import { parseAor } from "../../../dht-schema/aor.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { Directory } from "../../../node/directory/directory.ts";
import type { OwnerChange, OwnerWatch } from "../../../node/federation/locator.ts";
import type { Membership } from "../../../node/mesh/create-mesh.ts";
import { createMesh } from "../../../node/mesh/create-mesh.ts";
import type { MeshNode } from "../../../node/mesh/mesh-node.ts";
import { systemClock } from "../../../node/runtime/clock.ts";
import { silentLogger } from "../../../node/runtime/logger.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import { memoryInvites, memorySettings } from "../../helpers/memory-storage.ts";
import { until } from "../../helpers/meshes.ts";
import type { Load, Timing } from "../load.ts";
import { runLoad } from "../load.ts";
import { longestGapMs } from "../outage.ts";
import { sharedClockMs } from "../process/commands.ts";
import { serveCommands } from "../process/serve-commands.ts";

/** Users by number: a run takes fresh ones where it needs them free. */
export interface Users {
  readonly first: number;
  readonly count: number;
}

/** A server of the benchmark: mesh and directory as in production, settings in memory, and a SIP edge's calls made in the same process. */
class Server {
  readonly mesh: MeshNode;
  readonly directory: Directory;
  #watches: readonly OwnerWatch[] = [];
  #notices: Promise<readonly number[]> = Promise.resolve([]);

  private constructor(mesh: MeshNode) {
    const settings = memorySettings();
    const components = { mesh, settings, clock: systemClock, logger: silentLogger, counters: createCounters() };
    this.mesh = mesh;
    this.directory = new Directory({ boot: mesh.boot, tuning: { promoteAfterMs: 200 } }, components);
    this.directory.start();
    mesh.serveBindings(this.directory);
  }

  static async start(name: string, membership: Membership): Promise<Server> {
    const mesh = await createMesh({ name, membership, settings: memorySettings(), invites: memoryInvites() });
    const server = new Server(mesh);
    await mesh.start();
    return server;
  }

  /** Resolves when `size` servers vote and all others are linked to this one. */
  async complete(size: number): Promise<void> {
    const { mesh } = this;
    const isComplete = () => {
      const { servers, voters, oldVoters } = mesh.roster();
      if (servers.length !== size || voters.length !== size || oldVoters.length > 0) return false;
      return servers.every(({ id }) => id === mesh.self || mesh.isUp(id as ServerId));
    };
    await until(mesh, isComplete, `domain of ${size} servers`, 20_000);
  }

  claim(users: Users, load: Load): Promise<Timing> {
    const aors = aorsOf(users);
    return runLoad(load, (index) => this.#own(aors[index] as Aor));
  }

  /** Claims one user after the other, and tells when each claim was done on the clock that all processes share. */
  async claimTimed(users: Users): Promise<readonly number[]> {
    const doneMs: number[] = [];
    for (const aor of aorsOf(users)) {
      await this.#own(aor);
      doneMs.push(sharedClockMs());
    }
    return doneMs;
  }

  /** Claims users who are free, each so many times at once; those, by index, that this server then believes to own. */
  async race(users: Users, times: number): Promise<readonly number[]> {
    const aors = aorsOf(users);
    await Promise.all(
      aors.flatMap((aor) => Array.from({ length: times }, () => this.directory.claim(aor, { mode: "if-free" }))),
    );
    return aors.flatMap((aor, index) => (this.directory.owned(aor) === undefined ? [] : index));
  }

  outage({ first }: Users, forMs: number): Promise<number> {
    return longestGapMs(forMs, (index) => this.#own(aorOf(first + index)));
  }

  async release(): Promise<void> {
    for (const { aor } of Array.from(this.directory.bindings())) await this.directory.release(aor);
  }

  locate(users: Users, load: Load): Promise<Timing> {
    const aors = aorsOf(users);
    return runLoad(load, async (index) => {
      const found = await this.directory.locate(aors[index % aors.length] as Aor);
      if (found.kind !== "server") throw new Error(`found ${JSON.stringify(found)}`);
    });
  }

  /** Lookups a second, one awaited after the other, without the cost of timing each. */
  async locateOften(users: Users, times: number): Promise<number> {
    const aors = aorsOf(users);
    const startMs = performance.now();
    for (let i = 0; i < times; i++) await this.directory.locate(aors[i % aors.length] as Aor);
    return times / ((performance.now() - startMs) / 1000);
  }

  /** Watches users who have an owner, each so many times; resolves when all that is known. What is told then is kept for {@link notices}. */
  async watch(users: Users, watchers: number): Promise<void> {
    const aors = aorsOf(users);
    const lastMs = aors.map(() => NaN);
    const present = new Countdown(aors.length * watchers);
    const moved = new Countdown(aors.length);
    this.#notices = moved.done.then(() => lastMs);
    this.#watches = aors.flatMap((aor, index) => {
      const told = new Countdown(watchers);
      void told.done.then(() => moved.count());
      return Array.from({ length: watchers }, () => {
        let owner: ServerId | undefined;
        return this.directory.watch(aor, (change: OwnerChange) => {
          if (change.kind !== "owner" || change.server === owner) return;
          if (owner === undefined) present.count();
          else if (told.count() === 0) lastMs[index] = sharedClockMs();
          owner = change.server;
        });
      });
    });
    await present.done;
  }

  /** When the last watcher of each user was told of the new owner; resolves when all were. */
  notices(): Promise<readonly number[]> {
    return this.#notices;
  }

  unwatch(): void {
    for (const watch of this.#watches) watch.close();
    this.#watches = [];
  }

  async #own(aor: Aor): Promise<void> {
    const outcome = await this.directory.claim(aor, { mode: "take-over" });
    if (outcome.kind !== "owned") throw new Error(`claim of ${aor}: ${JSON.stringify(outcome)}`);
  }
}

class Countdown {
  readonly done: Promise<void>;
  #missing: number;
  #finish = (): void => {};

  constructor(missing: number) {
    this.#missing = missing;
    this.done = new Promise((resolve) => (this.#finish = resolve));
  }

  /** What is left. */
  count(): number {
    if (--this.#missing === 0) this.#finish();
    return this.#missing;
  }
}

function aorsOf({ first, count }: Users): Aor[] {
  return Array.from({ length: count }, (_, index) => aorOf(first + index));
}

function aorOf(number: number): Aor {
  return parseAor(`sip:user${number}@example.com`);
}

let server: Server;

const commands = {
  async found(name: string): Promise<void> {
    server = await Server.start(name, { kind: "found", domain: "example.com" });
  },
  async join({ name, token }: { name: string; token: string }): Promise<void> {
    server = await Server.start(name, { kind: "join", token });
  },
  invite: (): string => server.mesh.createInvite({ ttlMs: 60_000, steward: false }),
  complete: (size: number) => server.complete(size),
  claim: ({ users, load }: { users: Users; load: Load }) => server.claim(users, load),
  claimTimed: (users: Users) => server.claimTimed(users),
  race: ({ users, times }: { users: Users; times: number }) => server.race(users, times),
  outage: ({ users, forMs }: { users: Users; forMs: number }) => server.outage(users, forMs),
  release: () => server.release(),
  locate: ({ users, load }: { users: Users; load: Load }) => server.locate(users, load),
  locateOften: ({ users, times }: { users: Users; times: number }) => server.locateOften(users, times),
  watch: ({ users, watchers }: { users: Users; watchers: number }) => server.watch(users, watchers),
  notices: () => server.notices(),
  unwatch: () => server.unwatch(),
};

/** What a server of the benchmark can be asked. */
export type ServerCommands = typeof commands;

serveCommands(commands);
