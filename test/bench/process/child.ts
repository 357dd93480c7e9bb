import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { once } from "node:events";
import type { Commands, Reply, Request } from "./commands.ts";
import type { CommonCommands } from "./serve-commands.ts";

interface Waiting {
  resolve(value: never): void;
  reject(error: Error): void;
}

/** A child process that serves commands. */
export class Child<C extends Commands> {
  readonly name: string;
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  /** @param module URL of the compiled module that the process runs */
  constructor(name: string, module: URL) {
    this.name = name;
    this.#process = fork(module, { execArgv: ["--expose-gc", "--enable-source-maps"] });
    this.#process.on("message", (reply: Reply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if ("error" in reply) waiting?.reject(new Error(`${name}: ${reply.error}`));
      else waiting?.resolve(reply.value as never);
    });
    this.#process.on("exit", (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${name} ended (${signal ?? code})`));
      this.#waiting.clear();
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  call<K extends string & keyof (C & CommonCommands)>(
    command: K,
    ...argument: Parameters<(C & CommonCommands)[K]>
  ): Promise<Awaited<ReturnType<(C & CommonCommands)[K]>>> {
    const id = ++this.#lastId;
    const request: Request = { id, command, argument: argument[0] };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      if (!this.#process.connected) reject(new Error(`${this.name} has ended`));
      else this.#process.send(request);
    });
  }

  /** Kills the process as a crash would. */
  async kill(): Promise<void> {
    const exit = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await exit;
  }

  /** Ends the process and waits until it has. */
  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, "exit");
    if (this.#process.connected) this.#process.disconnect();
    else this.#process.kill();
    await exit;
  }
}

/** CPU that processes have used so far, µs. */
export async function totalCpu(processes: readonly Child<Record<never, never>>[]): Promise<number> {
  const each = await Promise.all(processes.map((child) => child.call("cpuMicros")));
  return each.reduce((sum, micros) => sum + micros, 0);
}
