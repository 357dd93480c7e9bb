import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { Epoch } from "../../../dht-schema/ballot.ts";
import { compareBallots, parseBallot } from "../../../dht-schema/ballot.ts";
import { Inbox } from "../../helpers/next.ts";

// Compiled, this file is dist/test/scenario/directory/elect.test.js.
const program = fileURLToPath(new URL("../../../docs/examples/elect.js", import.meta.url));

/** A line that a process of the example printed. */
interface Line {
  readonly name: string;
  readonly text: string;
}

/** The example's processes, and what their lines say of who is elected. */
class Election {
  readonly lines = new Inbox<Line>();
  readonly #processes = new Map<string, ChildProcess>();
  /** Who said that it is elected, and has neither said that it is no longer, nor been killed. */
  readonly #elected = new Map<string, Epoch>();
  readonly epochs: Epoch[] = [];
  /** Two at a time, as seen. */
  readonly clashes: string[] = [];

  stand(name: string, ...token: string[]): void {
    const child = spawn(process.execPath, [program, name, ...token], { stdio: ["ignore", "pipe", "inherit"] });
    this.#processes.set(name, child);
    createInterface({ input: child.stdout }).on("line", (text) => {
      if (this.#processes.get(name) === child) this.#heard({ name, text });
    });
  }

  #heard(line: Line): void {
    const { name, text } = line;
    const epoch = /is elected, epoch (\S+)$/.exec(text)?.[1];
    if (epoch !== undefined) {
      this.#elected.set(name, parseBallot(epoch)!);
      this.epochs.push(parseBallot(epoch)!);
      if (this.#elected.size > 1) this.clashes.push([...this.#elected.keys()].join(" and "));
    } else if (text.includes("no longer holds")) this.#elected.delete(name);
    this.lines.push(line);
  }

  get elected(): string[] {
    return [...this.#elected.keys()];
  }

  async kill(name: string): Promise<void> {
    const child = this.#processes.get(name)!;
    // What it said before still counts; what comes now cannot be told from what came before.
    this.#processes.delete(name);
    this.#elected.delete(name);
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  async end(name: string): Promise<void> {
    const child = this.#processes.get(name)!;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
    this.#processes.delete(name);
  }

  async stop(): Promise<void> {
    await Promise.all(Array.from(this.#processes.keys(), (name) => this.kill(name)));
  }
}

describe("the example of the library: an election among three processes", function () {
  this.timeout(60_000);
  const election = new Election();
  after(() => election.stop());

  it("elects one of three, and another when it is killed, never two at a time", async () => {
    election.stand("one");
    for (const other of ["two", "three"]) {
      const { text } = await election.lines.first(
        ({ text: line }) => line.startsWith(`elect.ts ${other} `),
        "token",
        20_000,
      );
      election.stand(other, text.split(" ")[2]!);
    }
    const first = await election.lines.first(({ text }) => text.includes("is elected"), "the first election", 20_000);
    expect(election.elected).to.deep.equal([first.name]);

    await election.kill(first.name);
    const second = await election.lines.first(
      ({ name, text }) => name !== first.name && text.includes("is elected"),
      "the second election",
      20_000,
    );
    expect(election.elected).to.deep.equal([second.name]);
    expect(election.clashes).to.deep.equal([]);
    // Asked to stop, it lets go, and ends by itself.
    await election.end(second.name);
    const [before, after] = election.epochs;
    expect(compareBallots(after!, before!)).to.be.above(0);
  });
});
