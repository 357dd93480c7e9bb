import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { StoryFault } from "./sightings.ts";

const drainMs = 10_000;

/** A child process of the story: its log (standard error), and whether its end was wanted. */
export class ServerProcess {
  readonly title: string;
  readonly logPath: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #endWanted = false;

  /** @param onDeath called when the process ends although nobody wanted it to */
  constructor(title: string, command: readonly string[], logPath: string, onDeath: (fault: StoryFault) => void) {
    this.title = title;
    this.logPath = logPath;
    const [file = "", ...args] = command;
    // Of its own process group: a terminal's Ctrl-C must not reach the servers before the story has said goodbye.
    this.#child = spawn(file, args, { detached: true, stdio: ["ignore", "ignore", "pipe", "ipc"] });
    const log = createWriteStream(logPath);
    this.#child.stderr?.pipe(log, { end: false });
    const died = (how: string): void => {
      if (!this.#endWanted) onDeath(new StoryFault(`${title} died: ${how}`));
    };
    this.#child.once("exit", (code, signal) => died(signal ?? `exit status ${code}`));
    this.#exited = once(this.#child, "close")
      .catch((error: Error) => died(error.message))
      .finally(() => log.end());
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** SIGKILL, as a crash: the death that the story tells of. */
  async kill(): Promise<void> {
    this.#endWanted = true;
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  /** SIGKILL that nobody expects; resolves when the process has ended. */
  async sabotage(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  /** SIGTERM, and after ten seconds SIGKILL. Resolves with whether the process ended by itself and well. */
  async drain(): Promise<boolean> {
    if (!this.isRunning) return true;
    this.#endWanted = true;
    this.#child.kill("SIGTERM");
    const impatience = setTimeout(() => this.#child.kill("SIGKILL"), drainMs);
    await this.#exited;
    clearTimeout(impatience);
    return this.#child.exitCode === 0;
  }

  /** Ends it at once, without waiting: for when the story itself has to end now. */
  abandon(): void {
    this.#endWanted = true;
    if (this.isRunning) this.#child.kill("SIGKILL");
  }

  /** The last lines of its log. */
  async logTail(lines: number): Promise<string[]> {
    const text = await readFile(this.logPath, "utf8").catch(() => "");
    return text.trimEnd().split("\n").slice(-lines);
  }
}
