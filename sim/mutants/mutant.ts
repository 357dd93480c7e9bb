import type { Invariant } from "../checkers/violation.ts";
import type { SimulationOptions } from "../simulation.ts";

/** One place in the sources, and what it is replaced by. */
export interface Edit {
  /** Path from the root of the repository. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** An edit of a file of the directory's core. */
export const core = (file: string, find: string, replace: string): Edit => ({
  file: `node/directory/core/${file}.ts`,
  find,
  replace,
});

/**
 * The directory with one rule broken: a patch of its sources, and the runs in which the checkers have to notice.
 * Nothing in the sources knows of it.
 */
export interface Mutant {
  readonly name: string;
  /** The rule that is broken, as the design says it. */
  readonly rule: string;
  /**
   * `●`: the design marks it as proven necessary, `○`: as there by argument; `·`: a rule of the code that the design
   * does not mark.
   */
  readonly mark: "●" | "○" | "·";
  readonly edits: readonly Edit[];
  /** Runs in which it matters, without the seed. */
  readonly runs: Omit<SimulationOptions, "seed">;
  /** It is caught by one of the seeds from 1 to this. */
  readonly seeds: number;
  /** The first that catches it, where that is so rare that tests try this one alone. */
  readonly rare?: number;
  /** Set where no schedule is known that needs the rule: why the others imply it, or what was tried. */
  readonly survives?: string;
}

/** How a mutant was caught. */
export interface Catch {
  readonly seed: number;
  readonly invariant: Invariant;
  readonly message: string;
}
