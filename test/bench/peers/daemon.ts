import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { access, readFile } from "node:fs/promises";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { withDeadline } from "../deadline.ts";

/** Where a program is installed, `undefined` where it is not. Debian keeps some daemons out of a user's PATH. */
export async function findProgram(name: string): Promise<string | undefined> {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  for (const folder of folders) {
    const file = join(folder, name);
    const isThere = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return file;
  }
  return undefined;
}

/** Ports of 127.0.0.1 that are free now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Of Linux, for any process: CPU time in files is counted in hundredths of a second. */
const TICK_MICROS = 10_000;

const running = new Set<ChildProcess>();
// However the benchmark ends: these processes know nothing of it.
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A process of somebody else's program. */
export class Daemon {
  readonly #process: ChildProcess;
  #output = "";

  constructor(program: string, args: readonly string[]) {
    this.#process = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    running.add(this.#process);
    this.#process.on("exit", () => running.delete(this.#process));
    const keep = (chunk: Buffer) => void (this.#output = (this.#output + chunk.toString()).slice(-2000));
    this.#process.stdout?.on("data", keep);
    this.#process.stderr?.on("data", keep);
    this.#process.on("error", (error) => (this.#output += String(error)));
  }

  /** What it wrote last, for people. */
  get output(): string {
    return this.#output;
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** CPU it has used so far. */
  async cpuMicros(): Promise<number> {
    if (this.hasEnded) return 0;
    const stat = await readFile(`/proc/${this.#process.pid}/stat`, "utf8");
    // After the name, which is in parentheses: state is the 3rd field, user and system time the 14th and 15th.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
  }

  async kill(): Promise<void> {
    if (this.hasEnded) return;
    const exit = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await exit;
  }
}

/** A process that is coming up may accept a connection and never answer. */
const ATTEMPT_MS = 2_000;

/** Asks again until the answer is not `undefined`. @throws what was asked last, or that time is up */
export async function eventually<T>(what: string, atMostMs: number, ask: () => Promise<T | undefined>): Promise<T> {
  const untilMs = performance.now() + atMostMs;
  let last: unknown;
  while (performance.now() < untilMs) {
    try {
      const answer = await withDeadline(ask(), ATTEMPT_MS, "answer");
      if (answer !== undefined) return answer;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: not within ${atMostMs} ms`, { cause: last });
}
