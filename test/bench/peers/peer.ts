import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { withDeadline } from "../deadline.ts";
import { median, percentile } from "../load.ts";
import { Child, totalCpu } from "../process/child.ts";
import type { Bout, Figures, Operation, Plan, System } from "../system.ts";
import { measure, OUTAGE, RACE } from "../system.ts";
import type { PeerCommands } from "./client.ts";
import type { Cluster, PeerKind, PeerName } from "./clusters.ts";
import { peerKinds } from "./clusters.ts";
import { findProgram } from "./daemon.ts";

/** Memory that looks like a disk, so that nobody waits for one. */
const MEMORY_FOLDER = "/dev/shm";
const NOTICES_MS = 10_000;

type Client = Child<PeerCommands>;

/** What a user would take instead of Aorta's directory: a replicated store on three processes of this machine. */
export class Peer implements System {
  readonly name: PeerName;
  readonly operations: readonly Operation[] = [
    { name: "claim", run: (plan) => this.#claim(plan) },
    { name: "move", run: (plan) => this.#move(plan) },
    { name: "lookup", run: (plan) => this.#lookup(plan) },
    { name: "notice-1", run: (plan) => this.#notice(plan) },
    { name: "race", once: true, run: () => this.#race() },
    { name: "outage", once: true, run: () => this.#outage() },
  ];
  readonly #program: string;
  #cluster: Cluster | undefined;
  #clients: readonly Client[] = [];
  #keysTaken = 0;

  private constructor(name: PeerName, program: string) {
    this.name = name;
    this.#program = program;
  }

  /** The peer, or `undefined` where its program is not installed. */
  static async find(name: PeerName): Promise<Peer | undefined> {
    const program = await findProgram(peerKinds[name].program);
    return program === undefined ? undefined : new Peer(name, program);
  }

  get how(): string {
    return this.#kind.how;
  }

  get #kind(): PeerKind {
    return peerKinds[this.name];
  }

  async start(): Promise<void> {
    const folder = await mkdtemp(join(MEMORY_FOLDER, "aorta-bench-")).catch(() =>
      mkdtemp(join(tmpdir(), "aorta-bench-")),
    );
    process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
    this.#cluster = await this.#kind.start(this.#program, folder);
    const { ports } = this.#cluster;
    const module = new URL("./client.js", import.meta.url);
    this.#clients = ["load", "watcher"].map((role) => new Child<PeerCommands>(`${this.name} ${role}`, module));
    await Promise.all(this.#clients.map((client) => client.call("open", { name: this.name, ports })));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.end()));
    await Promise.all(this.#cluster?.daemons.map((daemon) => daemon.kill()) ?? []);
  }

  get #edge(): Client {
    return this.#clients[0] as Client;
  }

  get #watcher(): Client {
    return this.#clients[1] as Client;
  }

  #keys(count: number) {
    const first = this.#keysTaken;
    this.#keysTaken += count;
    return { first, count };
  }

  async #prepared(count: number) {
    const keys = this.#keys(count);
    await this.#edge.call("prepare", keys);
    return keys;
  }

  #claim(plan: Plan): Promise<Figures> {
    return this.#measure(plan, {
      run: (load) => this.#edge.call("claim", { keys: this.#keys(load.operations), load }),
    });
  }

  #move(plan: Plan): Promise<Figures> {
    let keys = this.#keys(0);
    return this.#measure(plan, {
      prepare: async (operations) => void (keys = await this.#prepared(operations)),
      run: (load) => this.#edge.call("move", { keys, load }),
    });
  }

  #lookup(plan: Plan): Promise<Figures> {
    let keys = this.#keys(0);
    return this.#measure(plan, {
      prepare: async (operations) => void (keys = await this.#prepared(operations)),
      run: (load) => this.#edge.call("lookup", { keys, load }),
    });
  }

  async #notice(plan: Plan): Promise<Figures> {
    const keys = await this.#prepared(plan.notices);
    await this.#watcher.call("watch", keys);
    const movedMs = await this.#edge.call("moveTimed", keys);
    const toldMs = await withDeadline(this.#watcher.call("notices"), NOTICES_MS, "notices");
    const latencies = toldMs.map((atMs, index) => atMs - (movedMs[index] as number)).sort((a, b) => a - b);
    return { p50Ms: median(latencies), p99Ms: percentile(latencies, 0.99) };
  }

  async #race(): Promise<Figures> {
    const { claimants, keys } = RACE;
    return { twoBelievers: await this.#edge.call("race", { keys: this.#keys(keys), claimants }) };
  }

  /** The leader is killed; the client talks to another member. */
  async #outage(): Promise<Figures> {
    const { forMs, killAfterMs } = OUTAGE;
    const gap = this.#edge.call("outage", { keys: this.#keys(1_000_000), forMs });
    await sleep(killAfterMs);
    await this.#cluster?.daemons[0]?.kill();
    return { outageMs: await gap };
  }

  #measure(plan: Plan, bout: Omit<Bout, "cpuMicros">): Promise<Figures> {
    return measure(plan, { ...bout, cpuMicros: () => this.#cpuMicros() });
  }

  async #cpuMicros(): Promise<number> {
    const daemons = await Promise.all(this.#cluster?.daemons.map((daemon) => daemon.cpuMicros()) ?? []);
    return daemons.reduce((sum, micros) => sum + micros, await totalCpu(this.#clients));
  }
}
