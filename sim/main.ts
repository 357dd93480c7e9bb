import { parseArgs } from "node:util";
import { Violation } from "./checkers.ts";
import type { SimulationOptions, SimulationReport } from "./simulation.ts";
import { simulate } from "./simulation.ts";

const USAGE = `Usage: npm run sim -- [options]

  --seed N      first seed (default: a fresh one)
  --seeds N     how many seeds, one after the other (default 1)
  --nodes N     servers (default: 3, 5 or 9 by the seed)
  --minutes N   virtual minutes with faults (default 5)
  --json        one JSON object a seed
`;

function usageError(message: string): never {
  process.stderr.write(`sim: ${message}\n\n${USAGE}`);
  process.exit(2);
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        seed: { type: "string" },
        seeds: { type: "string" },
        nodes: { type: "string" },
        minutes: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    return usageError((error as Error).message);
  }
}

function positive(text: string | undefined, name: string, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  return usageError(`--${name} takes a positive number, not ${JSON.stringify(text)}`);
}

function describe(seed: number, nodes: number, report: SimulationReport, seconds: number): string {
  const { claims, lost, faults } = report;
  const kinds = Object.entries(faults).map(([kind, count]) => `${kind} ${count}`);
  return (
    `seed ${seed}: ${nodes} servers, claims ${claims.owned} won, ${claims["owned-elsewhere"]} left to an owner, ` +
    `${claims.unavailable} unavailable; ${lost["handed-over"]} hand-overs, ${lost.expired} leases expired; ` +
    `faults: ${kinds.join(", ") || "none"}; ${report.steps} steps, ` +
    `${Math.round(report.virtualMs / 1000 / seconds)} virtual s/s: no violation\n`
  );
}

const values = readOptions();
if (values.help === true) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const first = Math.trunc(positive(values.seed, "seed", Math.floor(Math.random() * 2 ** 31) + 1));
const seeds = Math.trunc(positive(values.seeds, "seeds", 1));
const minutes = positive(values.minutes, "minutes", 5);
const write = (line: string) => process.stdout.write(line);
let failed = 0;

for (let seed = first; seed < first + seeds; seed++) {
  const nodes = Math.trunc(positive(values.nodes, "nodes", [3, 5, 9][seed % 3] as number));
  const options: SimulationOptions = { seed, nodes, minutes };
  const startedMs = performance.now();
  try {
    const report = simulate(options);
    const seconds = (performance.now() - startedMs) / 1000;
    write(
      values.json === true
        ? `${JSON.stringify({ ...options, ok: true, ...report })}\n`
        : describe(seed, nodes, report, seconds),
    );
  } catch (error) {
    failed++;
    const found =
      error instanceof Violation
        ? `${error.invariant} at ${error.atMs.toFixed(3)} ms: ${error.message}`
        : String((error as Error).stack);
    if (values.json === true) write(`${JSON.stringify({ ...options, ok: false, found })}\n`);
    else
      write(
        `seed ${seed}: VIOLATION ${found}\n  replay: npm run sim -- --seed ${seed} --nodes ${nodes} --minutes ${minutes}\n`,
      );
  }
}
write(`${seeds - failed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;
