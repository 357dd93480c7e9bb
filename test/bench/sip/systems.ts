import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import type { RunningNode } from "../../cli/aorta.ts";
import { Aorta } from "../../cli/aorta.ts";
import { freeUdpPort } from "../../interop/programs.ts";

/** A SIP service of one or more servers, each with processes of its own. */
export interface SipSystem {
  /** As on the command line. */
  readonly name: string;
  /** As in the report. */
  readonly title: string;
  readonly hasPresence: boolean;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Processes whose CPU time it costs; their children's is added. */
  readonly pids: readonly number[];
  /** UDP ports of its servers. */
  readonly ports: readonly number[];
  /** Changes of presence that came from another server so far, over all servers; where the system tells. */
  changesCrossed?(): Promise<number>;
}

/** One Kamailio, or two that tell each other of registrations (DMQ). */
export class KamailioSystem implements SipSystem {
  readonly name: string;
  readonly title: string;
  readonly hasPresence: boolean;
  readonly #program: string;
  readonly #folder: string;
  readonly #servers: number;
  #children: ChildProcess[] = [];
  ports: number[] = [];

  constructor(program: string, folder: string, servers: 1 | 2) {
    this.name = servers === 1 ? "kamailio" : "kamailio-2";
    this.title = servers === 1 ? "Kamailio" : "Kamailio × 2, DMQ";
    this.hasPresence = servers === 1;
    this.#program = program;
    this.#folder = folder;
    this.#servers = servers;
  }

  get pids(): number[] {
    return this.#children.map(({ pid }) => pid!);
  }

  async start(): Promise<void> {
    for (let i = 0; i < this.#servers; i++) this.ports.push(await freeUdpPort());
    for (const [index, port] of this.ports.entries()) {
      const peer = this.ports[1 - index];
      const defines = [`LISTEN=udp:127.0.0.1:${port}`, `HERE="sip:127.0.0.1:${port}"`];
      if (peer !== undefined) defines.push("WITH_DMQ", `DMQ_PEER="sip:127.0.0.1:${peer}"`);
      const options = ["-DD", "-f", "test/bench/sip/kamailio.cfg", "-Y", this.#folder, "-m", "512", "-M", "64"];
      const pid = ["-P", join(this.#folder, `${port}.pid`)];
      const all = [...options, ...pid, ...defines.flatMap((define) => ["-A", define])];
      this.#children.push(spawn(this.#program, all, { stdio: "ignore" }));
    }
  }

  async stop(): Promise<void> {
    for (const child of this.#children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    }
  }
}

const QUIET = ["--history", "off"];

/** Aorta, each server a process, with its database on disk. */
export class AortaSystem implements SipSystem {
  readonly name: string;
  readonly title: string;
  readonly hasPresence = true;
  readonly #servers: number;
  readonly #profile: string | undefined;
  #aorta: Aorta | undefined;
  #nodes: RunningNode[] = [];

  /** @param profile folder for a CPU profile of each server, from its start to its end */
  constructor(servers: number, profile: string | undefined) {
    this.name = `aorta-${servers}`;
    this.title = `Aorta × ${servers}`;
    this.#servers = servers;
    this.#profile = profile;
  }

  get pids(): number[] {
    return this.#nodes.map(({ pid }) => pid);
  }

  node(index: number): RunningNode {
    return this.#nodes[index]!;
  }

  /** Ends a server and starts it again on the same folder, at another port. */
  async restart(index: number, signal: NodeJS.Signals): Promise<RunningNode> {
    await this.node(index).end(signal);
    return (this.#nodes[index] = await this.#aorta!.up(String(index + 1), ...QUIET));
  }

  get ports(): number[] {
    return this.#nodes.map(({ sipPort }) => sipPort);
  }

  async start(): Promise<void> {
    const aorta = (this.#aorta = new Aorta((args) => this.#environment(args)));
    for (let i = 1; i <= this.#servers; i++) {
      const membership =
        i === 1
          ? ["--domain", "example.com"]
          : ["--join", (await aorta.run(["invite", "--data", aorta.path("1")])).stdout.trim()];
      this.#nodes.push(await aorta.up(String(i), ...membership, ...QUIET));
    }
    for (;;) {
      const roster = await aorta.json<{ servers: { voter: boolean }[] }>("roster", "--data", aorta.path("1"));
      if (roster.servers.length === this.#servers && roster.servers.every(({ voter }) => voter)) return;
    }
  }

  async stop(): Promise<void> {
    // Profiles are written at an end in order.
    if (this.#profile !== undefined) await Promise.all(this.#nodes.map((node) => node.end("SIGTERM")));
    await this.#aorta?.clean();
  }

  #environment(args: readonly string[]): Record<string, string> {
    if (this.#profile === undefined || args[0] !== "up") return {};
    const file = `sip-${this.name}.server-${args[args.indexOf("--name") + 1]}.cpuprofile`;
    const profiling = ["--cpu-prof", "--cpu-prof-interval=200", `--cpu-prof-dir=${resolve(this.#profile)}`];
    return { NODE_OPTIONS: [...profiling, `--cpu-prof-name=${file}`].join(" ") };
  }

  async changesCrossed(): Promise<number> {
    let sum = 0;
    for (const node of this.#nodes) {
      const { counters } = await node.get<{ counters: Record<string, number> }>("/v1/status");
      sum += counters["presence.notify_received"] ?? 0;
    }
    return sum;
  }
}
