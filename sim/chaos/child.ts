import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { AdminClient } from "../../node/cli/admin-client.ts";
import type { Direction } from "./cut-transport.ts";
import { machineMs } from "./journal.ts";
import type { ServerInit, ServerOrder } from "./server.ts";

/** Something went wrong with the run itself: it says nothing of the promises. */
export class ChaosFault extends Error {
  override readonly name = "ChaosFault";
}

/** How the process of one identity is started, the first time and after a kill. */
export interface ChildInit {
  /** Unique in the domain, and the name of its folder and files. */
  readonly name: string;
  readonly folder: string;
  readonly ports: { readonly sip: number; readonly ws: number; readonly mesh: number };
  readonly watched: readonly string[];
  readonly clockRate: number;
}

const entry = fileURLToPath(new URL("./server.js", import.meta.url));
const upWithinMs = 60_000;
const drainWithinMs = 12_000;

/** One run of a server's process. */
export class ServerChild {
  readonly name: string;
  readonly journal: string;
  readonly logPath: string;
  readonly admin: AdminClient;
  readonly startedAtMs = machineMs();
  readonly #child: ChildProcess;
  readonly #up: Promise<void>;

  /** @param origin flags that bring it into the domain, none when its disk has it already */
  constructor(init: ChildInit, origin: Readonly<Record<string, string>>, cuts: readonly Direction[]) {
    this.name = init.name;
    const data = join(init.folder, init.name);
    this.journal = `${data}.jsonl`;
    this.logPath = `${data}.log`;
    this.admin = new AdminClient({ socketPath: join(data, "admin.sock") });
    const listen = (port: number) => `127.0.0.1:${port}`;
    const { sip, ws, mesh } = init.ports;
    const addresses = { sip: listen(sip), ws: listen(ws), mesh: listen(mesh) };
    const given: ServerInit = {
      flags: { data, name: init.name, ...addresses, auth: "none", "log-level": "info", ...origin },
      meshPort: mesh,
      journal: this.journal,
      watched: init.watched,
      clockRate: init.clockRate,
      cuts,
    };
    // Of its own process group: a terminal's Ctrl-C must not reach it before the run has ended in order.
    const stdio = ["ignore", "ignore", "pipe", "ipc"] as const;
    const execArgv = ["--enable-source-maps"];
    this.#child = fork(entry, [JSON.stringify(given)], { detached: true, stdio: [...stdio], execArgv });
    this.#child.stderr?.pipe(createWriteStream(this.logPath, { flags: "a" }));
    this.#up = once(this.#child, "message").then(() => {});
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves when it serves. @throws {ChaosFault} with the end of its log */
  async untilUp(): Promise<void> {
    const exited = once(this.#child, "exit").then(() => "its process ended" as const);
    const late = delay(upWithinMs, "not in time" as const, { ref: false });
    const end = await Promise.race([this.#up, exited, late]);
    if (end === undefined) return;
    throw new ChaosFault(`${this.name} did not come up: ${end}\n${await this.#logTail()}`);
  }

  order(order: ServerOrder): void {
    // One that is being killed may be gone by now: then the order is in vain.
    if (this.#child.connected) this.#child.send(order, () => {});
  }

  /** Stops and continues by signal. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  /** Resolves when the process is gone. */
  async kill(): Promise<void> {
    if (!this.isRunning) return;
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exit;
  }

  /** SIGTERM, and SIGKILL after some patience; resolves when the process is gone. */
  async drain(): Promise<void> {
    if (!this.isRunning) return;
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    const impatience = setTimeout(() => this.#child.kill("SIGKILL"), drainWithinMs);
    await exit;
    clearTimeout(impatience);
  }

  /** At once and without waiting. */
  abandon(): void {
    if (this.isRunning) this.#child.kill("SIGKILL");
  }

  async #logTail(): Promise<string> {
    const text = await readFile(this.logPath, "utf8").catch(() => "");
    return text.trimEnd().split("\n").slice(-25).join("\n");
  }
}
