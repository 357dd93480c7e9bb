import { parseArgs } from "node:util";
import type { Plan } from "./system.ts";

/** What a run of the benchmark is to do. */
export interface BenchOptions {
  readonly plan: Plan;
  readonly rounds: number;
  /** Names of systems and operations; all where none of a kind is named. */
  readonly only: ReadonlySet<string>;
  readonly json: string | undefined;
  readonly profile: string | undefined;
}

const USAGE = `Usage: npm run bench -- [options]

  --quick           less of everything, within 30 s
  --only A,B        these systems and operations alone, e.g. --only aorta-3,claim,move; the raw limit always runs
  --rounds N        measured rounds (default 3, with --quick 1)
  --json FILE       write all figures there
  --profile FOLDER  write CPU profiles of Aorta's servers there, and say where their time goes
  --help
`;

const FULL: Plan = {
  sequential: 500,
  parallel: 20_000,
  phaseMs: 2000,
  notices: 200,
  bindings: 100_000,
  idleMs: 10_000,
};
const QUICK: Plan = { sequential: 200, parallel: 5000, phaseMs: 1000, notices: 100, bindings: 20_000, idleMs: 2500 };

/** Reads the command line; ends the process on `--help` and on a mistake. */
export function readOptions(names: ReadonlySet<string>): BenchOptions {
  const values = parse();
  if (values.help === true) {
    process.stdout.write(USAGE);
    process.exit(0);
  }
  const only = new Set(values.only?.split(",").map((name) => name.trim()) ?? []);
  for (const name of only) {
    if (!names.has(name)) fail(`--only: there is no ${JSON.stringify(name)}, only ${[...names].join(", ")}`);
  }
  const quick = values.quick === true;
  const rounds = Number(values.rounds ?? (quick ? 1 : 3));
  if (!Number.isInteger(rounds) || rounds < 1) fail(`--rounds takes a whole number from 1, not ${values.rounds}`);
  return { plan: quick ? QUICK : FULL, rounds, only, json: values.json, profile: values.profile };
}

function parse() {
  try {
    return parseArgs({
      options: {
        quick: { type: "boolean" },
        only: { type: "string" },
        rounds: { type: "string" },
        json: { type: "string" },
        profile: { type: "string" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    return fail((error as Error).message);
  }
}

function fail(message: string): never {
  process.stderr.write(`bench: ${message}\n\n${USAGE}`);
  process.exit(2);
}
