import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { ChildProcess } from "node:child_process";

const SCENARIOS = "test/bench/sip/scenarios";

export interface Load {
  readonly scenario: "register" | "message";
  readonly calls: number;
  /** Calls under way at one time. */
  readonly atOnce: number;
  /** UDP port of the server on 127.0.0.1. */
  readonly port: number;
}

/** Load made by SIPp, its files in a folder of the caller's. */
export class Sipp {
  readonly #program: string;
  readonly #folder: string;
  #runs = 0;

  constructor(program: string, folder: string) {
    this.#program = program;
    this.#folder = folder;
  }

  /** Makes all calls; how long it took, ms. @throws {Error} when any of them failed */
  async run({ scenario, calls, atOnce, port }: Load): Promise<number> {
    const users = join(this.#folder, `${++this.#runs}.csv`);
    // Users of one run are not those of another.
    writeFileSync(users, `SEQUENTIAL\nr${this.#runs}x\n`);
    const pace = ["-m", String(calls), "-l", String(atOnce), "-r", "100000", "-timeout", "60", "-timeout_error"];
    const child = this.#spawn(scenario, ["-inf", users, ...pace, `127.0.0.1:${port}`]);
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => (output = (output + chunk.toString()).slice(-8000)));
    const startMs = performance.now();
    const [code] = await once(child, "exit");
    if (code !== 0) throw new Error(`SIPp ended with ${String(code)}:\n${output}`);
    return performance.now() - startMs;
  }

  /** A device that answers every message, until it is killed. */
  answer(port: number): ChildProcess {
    return this.#spawn("answer", ["-p", String(port)]);
  }

  #spawn(scenario: string, options: readonly string[]): ChildProcess {
    const file = resolve(SCENARIOS, `${scenario}.xml`);
    return spawn(this.#program, ["-sf", file, "-i", "127.0.0.1", "-t", "u1", "-nostdin", ...options], {
      cwd: this.#folder,
      stdio: ["ignore", "pipe", "ignore"],
    });
  }
}
