import { setTimeout as sleep } from "node:timers/promises";
import { withDeadline } from "../deadline.ts";
import { median, percentile } from "../load.ts";
import { Child, totalCpu } from "../process/child.ts";
import { sharedClockMs } from "../process/commands.ts";
import type { Bout, Figures, Operation, Plan, System } from "../system.ts";
import { measure, OUTAGE, RACE } from "../system.ts";
import type { ServerCommands, Users } from "./server.ts";

type Server = Child<ServerCommands>;

/** Longest a notice may take before the benchmark gives up. */
const NOTICES_MS = 10_000;
/** How long a system that was under load is left alone before its rest is measured. */
const SETTLE_MS = 1_000;

/** Aorta on servers of their own processes: TCP, Noise, yamux, the directory. The load is made in one of them. */
export class Aorta implements System {
  readonly name: string;
  readonly operations: readonly Operation[];
  readonly #size: number;
  readonly #profile: string | undefined;
  readonly #servers: Server[] = [];
  #usersTaken = 0;

  /** @param profileFolder where to write CPU profiles of what runs with many in flight, one a server and operation */
  constructor(size: number, profileFolder: string | undefined) {
    this.name = `aorta-${size}`;
    this.#size = size;
    this.#profile = profileFolder;
    this.operations = [
      { name: "claim", run: (plan) => this.#claim(plan) },
      { name: "move", run: (plan) => this.#move(plan) },
      { name: "lookup", run: (plan) => this.#lookup(plan) },
      { name: "lookup-watched", run: (plan) => this.#lookupWatched(plan) },
      { name: "notice-1", run: (plan) => this.#notice(plan.notices, 1) },
      { name: "notice-1000", run: (plan) => this.#notice(Math.ceil(plan.notices / 4), 1000) },
      { name: "idle", once: true, run: (plan) => this.#idle(plan) },
      { name: "race", once: true, run: () => this.#race() },
      { name: "outage", once: true, run: () => this.#outage() },
    ];
  }

  async start(): Promise<void> {
    const module = new URL("./server.js", import.meta.url);
    for (let i = 1; i <= this.#size; i++)
      this.#servers.push(new Child<ServerCommands>(`${this.name} server ${i}`, module));
    const [founder, ...others] = this.#servers as [Server, ...Server[]];
    await founder.call("found", "server-1");
    for (const [index, server] of others.entries()) {
      await server.call("join", { name: `server-${index + 2}`, token: await founder.call("invite") });
    }
    await Promise.all(this.#servers.map((server) => server.call("complete", this.#size)));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.end()));
  }

  /** Watches, as a presence server whose users follow those of other servers. */
  get #watcher(): Server {
    return this.#servers[0] as Server;
  }

  /** Where the load is made. */
  get #edge(): Server {
    return this.#servers[1] as Server;
  }

  /** Owns the users that the edge looks up or takes over. */
  get #other(): Server {
    return this.#servers[2] as Server;
  }

  #users(count: number): Users {
    const first = this.#usersTaken;
    this.#usersTaken += count;
    return { first, count };
  }

  async #claim(plan: Plan): Promise<Figures> {
    const figures = await this.#measure("claim", plan, {
      run: (load) => this.#edge.call("claim", { users: this.#users(load.operations), load }),
    });
    await this.#edge.call("release");
    return figures;
  }

  async #move(plan: Plan): Promise<Figures> {
    let users: Users;
    const figures = await this.#measure("move", plan, {
      prepare: async (operations) => void (users = await this.#owned(this.#other, operations)),
      run: (load) => this.#edge.call("claim", { users, load }),
    });
    await Promise.all([this.#edge, this.#other].map((server) => server.call("release")));
    return figures;
  }

  async #lookup(plan: Plan): Promise<Figures> {
    let users: Users;
    const figures = await this.#measure("lookup", plan, {
      prepare: async (operations) => void (users = await this.#owned(this.#other, operations)),
      run: (load) => this.#edge.call("locate", { users, load }),
    });
    await this.#other.call("release");
    return figures;
  }

  async #lookupWatched(plan: Plan): Promise<Figures> {
    const users = await this.#owned(this.#other, 1000);
    await this.#edge.call("watch", { users, watchers: 1 });
    const load = { operations: plan.parallel, inFlight: 1, atMostMs: plan.phaseMs };
    const { p50Ms, p99Ms } = await this.#edge.call("locate", { users, load });
    const perSecond = await this.#edge.call("locateOften", { users, times: plan.parallel * 50 });
    await this.#edge.call("unwatch");
    await this.#other.call("release");
    return { p50Ms, p99Ms, perSecond };
  }

  /** From the end of a move at the server that took over until the last of the user's watchers on another server has been told. */
  async #notice(moves: number, watchers: number): Promise<Figures> {
    await this.#verifySharedClock();
    const users = await this.#owned(this.#other, moves);
    await this.#watcher.call("watch", { users, watchers });
    const movedMs = await this.#edge.call("claimTimed", users);
    const toldMs = await withDeadline(this.#watcher.call("notices"), NOTICES_MS, "notices");
    await this.#watcher.call("unwatch");
    await Promise.all([this.#edge, this.#other].map((server) => server.call("release")));
    const latencies = toldMs.map((atMs, index) => atMs - (movedMs[index] as number)).sort((a, b) => a - b);
    return { p50Ms: median(latencies), p99Ms: percentile(latencies, 0.99) };
  }

  /** Every server claims every user at once, several times over, so that there are as many claimants as with a peer. */
  async #race(): Promise<Figures> {
    const users = this.#users(RACE.keys);
    const times = Math.ceil(RACE.claimants / this.#size);
    const owned = await Promise.all(this.#servers.map((server) => server.call("race", { users, times })));
    const believers = Map.groupBy(owned.flat(), (index) => index);
    await Promise.all(this.#servers.map((server) => server.call("release")));
    return { twoBelievers: [...believers.values()].filter(({ length }) => length > 1).length };
  }

  /** A replica of every user is killed, which owns none of those that are claimed. There is no leader. */
  async #outage(): Promise<Figures> {
    const gap = this.#edge.call("outage", { users: this.#users(1_000_000), forMs: OUTAGE.forMs });
    await sleep(OUTAGE.killAfterMs);
    await this.#other.kill();
    return { outageMs: await gap };
  }

  /** What bindings cost that nobody uses. */
  async #idle(plan: Plan): Promise<Figures> {
    const before = await this.#rest(plan);
    await this.#owned(this.#edge, plan.bindings);
    const after = await this.#rest(plan);
    await this.#edge.call("release");
    return {
      idlePercent: after.cpuPercent - before.cpuPercent,
      replicaHeapBytes: (after.replica.heap - before.replica.heap) / plan.bindings,
      ownerHeapBytes: (after.owner.heap - before.owner.heap) / plan.bindings,
      rssMebibytes: after.owner.rss / 2 ** 20,
    };
  }

  /** CPU of all servers while nothing is asked, % of a core; then the memory of one that owns and of one that does not. */
  async #rest({ idleMs }: Plan) {
    // What the load before has left to do is not part of it.
    await Promise.all(this.#servers.map((server) => server.call("memory")));
    await sleep(SETTLE_MS);
    const before = await totalCpu(this.#servers);
    await sleep(idleMs);
    const cpuPercent = ((await totalCpu(this.#servers)) - before) / idleMs / 10;
    return { cpuPercent, owner: await this.#edge.call("memory"), replica: await this.#other.call("memory") };
  }

  /** Fresh users, owned by a server. */
  async #owned(server: Server, count: number): Promise<Users> {
    const users = this.#users(count);
    await server.call("claim", { users, load: { operations: count, inFlight: 256, atMostMs: 120_000 } });
    return users;
  }

  #measure(operation: string, plan: Plan, bout: Omit<Bout, "cpuMicros">): Promise<Figures> {
    const folder = this.#profile;
    const profile = (begins: boolean) =>
      Promise.all(
        this.#servers.map((server, index) =>
          begins
            ? server.call("startProfile")
            : server.call("endProfile", `${folder}/${this.name}.${operation}.server-${index + 1}.cpuprofile`),
        ),
      );
    return measure(plan, {
      ...bout,
      cpuMicros: () => totalCpu(this.#servers),
      ...(folder !== undefined && { profile }),
    });
  }

  /** Times of two processes are compared only if their clocks are one: a child's reading must lie between two of ours. */
  async #verifySharedClock(): Promise<void> {
    for (const server of this.#servers) {
      const before = sharedClockMs();
      const there = await server.call("clock");
      if (there < before || there > sharedClockMs()) throw new Error("the processes do not share a monotonic clock");
    }
  }
}
