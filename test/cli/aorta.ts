import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { NodeStatus } from "../../node/admin/node-view.ts";
import { AdminClient } from "../../node/cli/admin-client.ts";

const main = fileURLToPath(new URL("../../node/cli/main.js", import.meta.url));

/** How a command ended. */
export interface Ending {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** Text for standard input, which is closed after it. */
  readonly input?: string;
}

/** What `aorta up --json` prints. */
export type UpLine = NodeStatus & { readonly data: string; readonly admin: string };

/** Runs the real command as processes of their own, in a folder of its own, and leaves nothing of both behind. */
export class Aorta {
  readonly folder = mkdtempSync(join(tmpdir(), "aorta-cli-"));
  readonly #children = new Set<ChildProcess>();
  readonly #env: (args: readonly string[]) => Readonly<Record<string, string>>;

  /** @param env of a command, beside PATH */
  constructor(env: (args: readonly string[]) => Readonly<Record<string, string>> = () => ({})) {
    this.#env = env;
  }

  /** A path in the folder. */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** Starts a command. */
  spawn(args: readonly string[], { env = {}, cwd = this.folder, input = "" }: RunOptions = {}): ChildProcess {
    const child = spawn(process.execPath, [main, ...args], {
      cwd,
      env: { PATH: process.env["PATH"], ...this.#env(args), ...env },
    });
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
    child.stdin.end(input);
    return child;
  }

  /** Runs a command to its end. */
  async run(args: readonly string[], options?: RunOptions): Promise<Ending> {
    return ending(this.spawn(args, options));
  }

  /** Runs a command that must succeed, with `--json`; what it printed. */
  async json<Result>(...args: readonly string[]): Promise<Result> {
    const { code, stdout, stderr } = await this.run([...args, "--json"]);
    if (code !== 0) throw new Error(`aorta ${args.join(" ")} exited with ${code}: ${stderr}`);
    return JSON.parse(stdout) as Result;
  }

  /** Brings a node up on free ports of the loopback interface, its data in the folder `name`. */
  async up(name: string, ...args: readonly string[]): Promise<RunningNode> {
    const defaults = { sip: "127.0.0.1:0", mesh: "127.0.0.1:0", auth: "none", "log-level": "error" };
    const wanted = Object.entries(defaults).filter(([flag]) => !args.includes(`--${flag}`));
    const flags = wanted.flatMap(([flag, value]) => [`--${flag}`, value]);
    const child = this.spawn(["up", "--json", "--data", this.path(name), "--name", name, ...flags, ...args]);
    const stderr = text(child.stderr);
    const line = await Promise.race([
      once(createInterface(child.stdout!), "line").then(([first]) => first as string),
      once(child, "exit").then(() => undefined),
    ]);
    if (line === undefined) throw new Error(`${name} did not come up: ${await stderr}`);
    return new RunningNode(child, JSON.parse(line) as UpLine, stderr);
  }

  /** Kills what still runs and removes the folder. */
  async clean(): Promise<void> {
    const exits = [...this.#children].map((child) => once(child, "exit"));
    for (const child of this.#children) child.kill("SIGKILL");
    await Promise.all(exits);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A node in a process of its own. */
export class RunningNode {
  readonly status: UpLine;
  readonly #child: ChildProcess;
  readonly #exit: Promise<number | null>;
  readonly #stderr: Promise<string>;

  constructor(child: ChildProcess, status: UpLine, stderr: Promise<string>) {
    this.#child = child;
    this.#exit = once(child, "exit").then(([code]) => code as number | null);
    this.status = status;
    this.#stderr = stderr;
  }

  /** Reads from its admin API. */
  get<Answer>(path: string): Promise<Answer> {
    return new AdminClient({ socketPath: this.status.admin }).call<Answer>("GET", path);
  }

  /** Of the process. */
  get pid(): number {
    return this.#child.pid!;
  }

  /** Sends a signal that does not end it. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends a signal and waits for the end; the exit code, `null` when the signal itself ended it. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal);
    return this.#exit;
  }

  /** Waits for its end without doing anything about it; as {@link end}. */
  exit(): Promise<number | null> {
    return this.#exit;
  }

  /** All that it wrote to standard error, once it has ended. */
  stderr(): Promise<string> {
    return this.#stderr;
  }

  /** UDP port of its SIP listener. */
  get sipPort(): number {
    return Number(
      this.status.sip
        .find((address) => address.startsWith("udp "))
        ?.split(":")
        .at(-1),
    );
  }
}

/** Waits for the end of a command. */
export async function ending(child: ChildProcess): Promise<Ending> {
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit") as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

async function text(stream: NodeJS.ReadableStream | null): Promise<string> {
  let all = "";
  for await (const chunk of stream ?? []) all += String(chunk);
  return all;
}

/** Asks until `check` holds for the answer, for at most some seconds; the answer. */
export async function until<Answer>(ask: () => Promise<Answer>, check: (answer: Answer) => boolean): Promise<Answer> {
  const deadlineMs = performance.now() + 15_000;
  for (;;) {
    const answer = await ask();
    if (check(answer)) return answer;
    if (performance.now() > deadlineMs) throw new Error(`not in time; the last answer was ${JSON.stringify(answer)}`);
  }
}
