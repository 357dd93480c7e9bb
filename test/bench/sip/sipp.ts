import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { ChildProcess } from "node:child_process";

const SCENARIOS = "test/bench/sip/scenarios";

export interface Load {
  readonly scenario: "register" | "message" | "publish";
  readonly calls: number;
  /** Calls under way at one time. */
  readonly atOnce: number;
  /** UDP port of the server on 127.0.0.1. */
  readonly port: number;
}

/** What became of the calls. */
export interface Outcome {
  readonly tookMs: number;
  /** Calls that failed, by the status that they got, or `no answer`. */
  readonly failures: ReadonlyMap<string, number>;
}

/** Longest run, and how slow a long one may be; what is still under way then has failed. */
const PATIENCE_SECONDS = 60;
const SLOWEST_PER_SECOND = 100;

/** Load made by SIPp, its files in a folder of the caller's. */
export class Sipp {
  readonly #program: string;
  readonly #folder: string;
  #runs = 0;

  constructor(program: string, folder: string) {
    this.#program = program;
    this.#folder = folder;
  }

  /** Makes all calls. @throws {Error} when SIPp itself fails */
  async run({ scenario, calls, atOnce, port }: Load): Promise<Outcome> {
    const users = join(this.#folder, `${++this.#runs}.csv`);
    const errors = join(this.#folder, "errors");
    rmSync(errors, { force: true });
    // Users of one run are not those of another.
    writeFileSync(users, `SEQUENTIAL\nr${this.#runs}x\n`);
    const patience = Math.max(PATIENCE_SECONDS, Math.ceil(calls / SLOWEST_PER_SECOND));
    const pace = ["-m", String(calls), "-l", String(atOnce), "-r", "100000", "-timeout", String(patience)];
    // A call that failed is left as it is: a BYE would be load that nobody asked for.
    const trace = ["-trace_err", "-error_file", errors, "-default_behaviors", "all,-bye"];
    const child = this.#spawn(scenario, ["-inf", users, ...pace, ...trace, `127.0.0.1:${port}`]);
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => (output = (output + chunk.toString()).slice(-8000)));
    const startMs = performance.now();
    const [code] = await once(child, "exit");
    const tookMs = performance.now() - startMs;
    const succeeded = Number(/Successful call\s*\|[^|]*\|\s*(\d+)/.exec(output)?.[1] ?? Number.NaN);
    // 0: all succeeded, 1: some failed, 97: not done in time.
    if (![0, 1, 97].includes(Number(code)) || Number.isNaN(succeeded))
      throw new Error(`SIPp ended with ${String(code)}:\n${output}`);
    return { tookMs, failures: causes(existsSync(errors) ? readFileSync(errors, "latin1") : "", calls - succeeded) };
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

/** What SIPp wrote of the calls that it gave up; those that it says nothing of had no answer. */
function causes(errors: string, failed: number): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  let known = 0;
  for (const [, status = ""] of errors.matchAll(/Aborting call on unexpected message.*received 'SIP\/2\.0 (\d{3})/g)) {
    found.set(status, (found.get(status) ?? 0) + 1);
    known++;
  }
  if (failed > known) found.set("no answer", failed - known);
  return found;
}
