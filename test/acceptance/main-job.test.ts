import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";
import { eventually } from "../helpers/eventually.ts";

const dist = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const root = dirname(dist);
const deadlineMs = 120_000;
const steps = ["1  joe", "2  alice", "3  joe", "4  alice", "5  zeke", "6  server 3"];

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** `npm start` from its second half on: what runs once the clone is installed and compiled. */
class Story {
  /** Where it keeps what it keeps: one that is killed removes nothing. */
  readonly #folder = mkdtempSync(join(tmpdir(), "aorta-test-"));
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  output = "";

  constructor(...args: string[]) {
    this.#child = spawn(process.execPath, [join(dist, "node/demo/main.js"), ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, TMPDIR: this.#folder },
    });
    this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => (this.output += text));
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => (this.output += text));
    this.#ended = once(this.#child, "close");
  }

  /** Resolves once the story has printed this; rejects when it ends before. */
  async printed(text: string): Promise<void> {
    while (!this.output.includes(text)) {
      await Promise.race([once(this.#child.stdout!, "data"), this.#ended]);
      if (this.#child.exitCode !== null && !this.output.includes(text))
        throw new Error(`The story ended:\n${this.output}`);
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async exitStatus(): Promise<number | null> {
    await this.#ended;
    return this.#child.exitCode;
  }

  /** Drains it, if it still runs. */
  async cleanUp(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill("SIGTERM");
      await this.#ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

describe("npm start", function () {
  this.timeout(deadlineMs);
  let story: Story;

  afterEach(() => story.cleanUp());

  it("tells the main job in six steps on three server processes, and ends with 0", async () => {
    story = new Story("--once");
    const status = await story.exitStatus();
    expect(status, story.output).to.equal(0);
    for (const step of steps) expect(story.output).to.include(step);
    expect(story.output.match(/✔/g)).to.have.lengthOf(6);
    expect(story.output)
      .to.match(/exactly one owner +100 /)
      .and.not.include("✘");
    expect(story.output.trimEnd()).to.match(/Goodbye\.$/);
  });

  it("names the step in which a server died, shows why, and ends with 1", async () => {
    story = new Story("--once", "--sabotage", "2");
    expect(await story.exitStatus(), story.output).to.equal(1);
    expect(story.output).to.include("✘ server 2 died: SIGKILL").and.include("Step 2 failed: alice appears");
    expect(story.output.match(/✔/g)).to.have.lengthOf(1);
  });

  it("stays up after the story with commands that work, tells of a server that dies, and drains on Ctrl-C", async () => {
    story = new Story("--rounds", "3");
    await story.printed("server 3 is dead.");
    const [, folder] = /export AORTA_DATA=(\S+)/.exec(story.output)!;
    const commands = [...story.output.matchAll(/^ +node (node\/bin\/aorta\.mjs .+)$/gm)].map(([, args]) =>
      args!.split(" "),
    );
    const said = new Map<string, string>();
    for (const args of commands.filter((each) => !["watch", "up"].includes(each[1]!))) {
      const run = promisify(execFile)(process.execPath, args, {
        cwd: root,
        env: { ...process.env, AORTA_DATA: folder },
      });
      said.set(args.slice(1).join(" "), (await run).stdout);
    }
    expect(said.get("lookup alice")).to.include("sip:alice@example.com").and.to.include("server-1");
    expect(said.get("bindings")).to.include("sip:joe@example.com");
    expect([...said.keys()]).to.include.members(["status", "peers"]);
    process.kill(
      Number(/server 2 .*?(\d+)$/m.exec(story.output.slice(story.output.indexOf("process")))![1]),
      "SIGKILL",
    );
    await story.printed("✘ server 2 died: SIGKILL");
    story.kill("SIGINT");
    expect(await story.exitStatus(), story.output).to.equal(0);
    expect(story.output.trimEnd()).to.match(/Goodbye\.$/);
    expect(existsSync(dirname(folder!))).to.equal(false);
  });

  it("drains when its terminal is closed, and leaves no server behind when it is killed", async () => {
    for (const [signal, status] of [
      ["SIGHUP", 0],
      ["SIGKILL", null],
    ] as const) {
      story = new Story();
      await story.printed("1  joe waits");
      const servers = [...story.output.matchAll(/^ +server \d .*?(\d+)$/gm)].map(([, pid]) => Number(pid));
      expect(servers).to.have.lengthOf(3);
      story.kill(signal);
      expect(await story.exitStatus(), story.output).to.equal(status);
      await eventually(() => !servers.some(runs), `the servers to end after ${signal}`);
      await story.cleanUp();
    }
  });

  it("refuses an option that it does not know", async () => {
    story = new Story("--twice");
    expect(await story.exitStatus()).to.equal(2);
    expect(story.output).to.include("--twice").and.to.include("--once");
  });
});
