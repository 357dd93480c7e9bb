import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Aorta } from "../../cli/aorta.ts";
import { freeUdpPort } from "../../interop/programs.ts";

/** A SIP service of one or more servers. */
export interface SipSystem {
  readonly name: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Processes whose CPU time it costs. */
  readonly pids: readonly number[];
  /** UDP ports of its servers. */
  readonly ports: readonly number[];
}

/** One Kamailio, or two that tell each other of registrations (DMQ). */
export class KamailioSystem implements SipSystem {
  readonly name: string;
  readonly #program: string;
  readonly #folder: string;
  readonly #servers: number;
  #children: ChildProcess[] = [];
  ports: number[] = [];

  constructor(program: string, folder: string, servers: 1 | 2) {
    this.name = servers === 1 ? "Kamailio" : "Kamailio × 2, DMQ";
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
      const defines = [`LISTEN=udp:127.0.0.1:${port}`];
      if (peer !== undefined && this.#servers > 1)
        defines.push("WITH_DMQ", `DMQ_HERE="sip:127.0.0.1:${port}"`, `DMQ_PEER="sip:127.0.0.1:${peer}"`);
      const options = ["-DD", "-f", "test/bench/sip/kamailio.cfg", "-Y", this.#folder, "-m", "512", "-M", "64"];
      const pid = ["-P", join(this.#folder, `${port}.pid`)];
      const all = [...options, ...pid, ...defines.flatMap((define) => ["-A", define])];
      this.#children.push(spawn(this.#program, all, { stdio: "ignore" }));
    }
  }

  async stop(): Promise<void> {
    for (const child of this.#children.splice(0)) {
      if (child.exitCode !== null) continue;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    }
  }
}

/** Aorta, each server a process, with its database on disk. */
export class AortaSystem implements SipSystem {
  readonly name: string;
  readonly #servers: number;
  #aorta: Aorta | undefined;
  pids: number[] = [];
  ports: number[] = [];

  constructor(servers: number) {
    this.name = `Aorta × ${servers}`;
    this.#servers = servers;
  }

  async start(): Promise<void> {
    const aorta = (this.#aorta = new Aorta());
    const quiet = ["--history", "off"];
    for (let i = 1; i <= this.#servers; i++) {
      const membership =
        i === 1
          ? ["--domain", "example.com"]
          : ["--join", (await aorta.run(["invite", "--data", aorta.path("1")])).stdout.trim()];
      const node = await aorta.up(String(i), ...membership, ...quiet);
      this.pids.push(node.pid);
      this.ports.push(node.sipPort);
    }
    for (;;) {
      const roster = await aorta.json<{ servers: { voter: boolean }[] }>("roster", "--data", aorta.path("1"));
      if (roster.servers.length === this.#servers && roster.servers.every(({ voter }) => voter)) return;
    }
  }

  async stop(): Promise<void> {
    await this.#aorta?.clean();
  }
}
