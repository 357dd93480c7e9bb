import { parseArgs } from "node:util";
import type { BenchOptions, Part } from "./part.ts";

const USAGE = `Usage: npm run bench -- [options]        (npm run bench:sip -- [options]: its SIP part alone)

  --quick           less of everything: some minutes
  --only A,B        these parts (directory, sip), systems and operations alone, e.g. --only aorta-3,claim,move
  --rounds N        measured rounds (default 3, with --quick 1)
  --calls N         calls of each SIP operation in a round (default 10000, with --quick 3000)
  --markdown        tables as markdown
  --json FILE       write all figures there
  --profile FOLDER  write CPU profiles of Aorta's servers there, and say where their time goes
  --help
`;

/** What the command line asks for. */
export interface CommandLine extends BenchOptions {
  readonly json: string | undefined;
}

/** Reads the command line; ends the process on `--help` and on a mistake. */
export function readOptions(): CommandLine {
  const values = parse();
  if (values.help === true) {
    process.stdout.write(USAGE);
    process.exit(0);
  }
  const quick = values.quick === true;
  const rounds = Number(values.rounds ?? (quick ? 1 : 3));
  if (!Number.isInteger(rounds) || rounds < 1) fail(`--rounds takes a whole number from 1, not ${values.rounds}`);
  const calls = values.calls === undefined ? undefined : Number(values.calls);
  if (calls !== undefined && !(Number.isInteger(calls) && calls >= 1))
    fail(`--calls takes a whole number from 1, not ${values.calls}`);
  const names = (values.only ?? []).flatMap((list) => list.split(",")).map((name) => name.trim());
  const { json, profile, markdown = false } = values;
  return { quick, rounds, calls, only: new Set(names), markdown, json, profile };
}

/** Ends the process where something is asked for that no part has. */
export function checkNames(only: ReadonlySet<string>, parts: readonly Part[]): void {
  const known = new Set(parts.flatMap(({ name, systems, operations }) => [name, ...systems, ...operations]));
  for (const name of only) {
    if (!known.has(name)) fail(`--only: there is no ${JSON.stringify(name)}, only ${[...known].join(", ")}`);
  }
}

function parse() {
  try {
    return parseArgs({
      options: {
        quick: { type: "boolean" },
        only: { type: "string", multiple: true },
        rounds: { type: "string" },
        calls: { type: "string" },
        markdown: { type: "boolean" },
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
