import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Violation } from "../checkers/violation.ts";
import type { SimulationOptions, SimulationReport } from "../simulation.ts";
import type { Catch, Mutant } from "./mutant.ts";

/** What a simulation is made of. */
const SOURCES = ["package.json", "dht-schema", "node/directory", "node/federation", "node/runtime", "sim"];

/** Whether this Node runs TypeScript as it is, which mutated sources are. */
export const runsTypeScript = Boolean(process.features.typescript);

/** Makes mutated copies of the sources in a temporary folder, and runs them. */
export class Laboratory {
  readonly #root = findRoot();
  readonly #folder = mkdtempSync(join(tmpdir(), "aorta-mutants-"));

  /**
   * Runs a mutant on one seed after the other.
   * @returns `undefined` when no seed up to `seeds` catches it
   * @throws when a text to be replaced does not stand exactly once in its file
   */
  async hunt(mutant: Mutant, seeds = mutant.seeds): Promise<Catch | undefined> {
    for (let seed = 1; seed <= seeds; seed++) {
      const caught = await this.tryOn(mutant, seed);
      if (caught !== undefined) return caught;
    }
    return undefined;
  }

  /** Runs a mutant on one seed. */
  async tryOn(mutant: Mutant, seed: number): Promise<Catch | undefined> {
    const simulate = await this.#load(mutant);
    const caught = run(simulate, { ...mutant.runs, seed });
    return caught && { seed, ...caught };
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #load(mutant: Mutant): Promise<(options: SimulationOptions) => SimulationReport> {
    const copy = join(this.#folder, mutant.name);
    if (!existsSync(copy)) this.#copy(copy, mutant);
    const { simulate } = (await import(pathToFileURL(join(copy, "sim/simulation.ts")).href)) as {
      simulate(options: SimulationOptions): SimulationReport;
    };
    return simulate;
  }

  #copy(copy: string, { name, edits }: Mutant): void {
    for (const source of SOURCES) {
      mkdirSync(dirname(join(copy, source)), { recursive: true });
      cpSync(join(this.#root, source), join(copy, source), { recursive: true });
    }
    symlinkSync(join(this.#root, "node_modules"), join(copy, "node_modules"));
    for (const { file, find, replace } of edits) {
      const path = join(copy, file);
      const text = readFileSync(path, "utf8");
      const found = text.split(find).length - 1;
      if (found !== 1) throw new Error(`mutant ${name}: its text stands ${found} times in ${file}, not once:\n${find}`);
      writeFileSync(
        path,
        text.replace(find, () => replace),
      );
    }
  }
}

/** @throws what is not a violation: a mutant that merely crashes shows nothing */
function run(
  simulate: (options: SimulationOptions) => SimulationReport,
  options: SimulationOptions,
): Omit<Catch, "seed"> | undefined {
  try {
    simulate(options);
    return undefined;
  } catch (error) {
    // The copy has a Violation class of its own.
    if (!(error instanceof Error) || error.name !== "Violation") throw error;
    return { invariant: (error as Violation).invariant, message: error.message };
  }
}

/** The folder of the sources, from where they are or from where they are compiled to. */
function findRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}
