import { parseArgs } from "node:util";
import { parseAor } from "../dht-schema/aor.ts";
import { Violation } from "./checkers/violation.ts";
import { mutants } from "./mutants/mutants.ts";
import { reportMutants } from "./mutants/report.ts";
import type { SimulationOptions, SimulationReport } from "./simulation.ts";
import { simulate } from "./simulation.ts";
import { Trace } from "./trace.ts";

const USAGE = `Usage: npm run sim -- [options]

  --seed N        first seed (default: a fresh one)
  --seeds N       how many seeds, one after the other (default 1)
  --nodes N       servers (default: 3, 5 or 9 by the seed)
  --minutes N     virtual minutes with faults (default 5)
  --lease-ms N    lease term (default 10000, as in production): a shorter one gives more terms a minute
  --wrong-clocks  clocks far outside the domain's bound: I1 and I3 alone are promised
  --trace AOR     print what concerns one user, such as sip:user1@example.com
  --from MS, --to MS
                  the window of the trace (default: from 15 s before a violation, or the whole run)
  --mutants       break one rule of the directory after the other, and show which checker notices
  --mutant NAME   the same for one rule
  --summary       one line for all seeds
  --json          one JSON object a seed

Exit status: 0 no violation, 1 violation, 2 usage.
`;

/** What a trace shows before a violation, when nothing else is asked for. */
const TRACED_MS = 15_000;

function usageError(message: string): never {
  process.stderr.write(`sim: ${message}\n\n${USAGE}`);
  process.exit(2);
}

function readOptions() {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const options = {
    seed: text,
    seeds: text,
    nodes: text,
    minutes: text,
    "lease-ms": text,
    "wrong-clocks": flag,
    trace: text,
    from: text,
    to: text,
    mutants: flag,
    mutant: text,
    summary: flag,
    json: flag,
    help: flag,
  };
  try {
    return parseArgs({ options }).values;
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

function describe({ seed, nodes }: SimulationOptions, report: SimulationReport, seconds: number): string {
  const { claims, lost, lookups, faults, overlaps, undecided } = report;
  const kinds = Object.entries(faults).map(([kind, count]) => `${kind} ${count}`);
  return (
    `seed ${seed}: ${nodes} servers, claims ${claims.owned} won, ${claims["owned-elsewhere"]} left to an owner, ` +
    `${claims.superseded} superseded, ${claims.unavailable} unavailable; ${lost["handed-over"]} hand-overs, ${lost.expired} leases expired, ` +
    `${lost.released} released; ${lookups.owner + lookups.nobody} lookups; faults: ${kinds.join(", ") || "none"}; ` +
    `${report.steps} steps, ${Math.round(report.virtualMs / 1000 / seconds)} virtual s in a CPU second: ` +
    `no violation${overlaps > 0 ? ` (two owners at once ${overlaps} times, as clocks were wrong)` : ""}` +
    `${undecided > 0 ? ` (${undecided} histories not judged to their end for linearizability: too many ways)` : ""}\n`
  );
}

function flagsOf({ seed, nodes, minutes, clocks, leaseMs }: SimulationOptions): string {
  const lease = leaseMs === undefined ? "" : ` --lease-ms ${leaseMs}`;
  return `--seed ${seed} --nodes ${nodes} --minutes ${minutes}${lease}${clocks === "wrong" ? " --wrong-clocks" : ""}`;
}

const values = readOptions();
if (values.help === true) {
  process.stdout.write(USAGE);
  process.exit(0);
}
if (values.mutants === true || values.mutant !== undefined) {
  const wanted = mutants.filter(({ name }) => values.mutant === undefined || name === values.mutant);
  if (wanted.length === 0)
    usageError(`no mutant is called ${values.mutant}; there are ${mutants.map(({ name }) => name).join(", ")}`);
  const wrong = await reportMutants(wanted, (text) => void process.stdout.write(text));
  process.stdout.write(`${wanted.length - wrong} passed, ${wrong} failed\n`);
  process.exit(wrong > 0 ? 1 : 0);
}
const first = Math.trunc(positive(values.seed, "seed", Math.floor(Math.random() * 2 ** 31) + 1));
const seeds = Math.trunc(positive(values.seeds, "seeds", 1));
const minutes = positive(values.minutes, "minutes", 5);
const write = (line: string) => void process.stdout.write(line);
const total = { claims: 0, won: 0, superseded: 0, moves: 0, lookups: 0, steps: 0, virtualMs: 0, undecided: 0 };
let failed = 0;

/** Runs it again, writing down what concerns one user. */
function writeTrace(
  options: SimulationOptions,
  aor: string,
  window: { readonly from: number; readonly to: number },
): void {
  const { from, to } = window;
  try {
    simulate(options, new Trace({ aor: parseAor(aor), fromMs: from, toMs: to, write }));
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    write(`${error.atMs.toFixed(3).padStart(12)}  VIOLATION ${error.invariant}: ${error.message}\n`);
  }
}

function runSeed(options: SimulationOptions): void {
  const startedCpu = process.cpuUsage();
  let violationMs: number | undefined;
  try {
    const report = simulate(options);
    const { claims, lookups } = report;
    total.claims += claims.owned + claims["owned-elsewhere"] + claims.superseded + claims.unavailable;
    total.superseded += claims.superseded;
    total.won += claims.owned;
    total.moves += report.lost["handed-over"];
    total.lookups += lookups.owner + lookups.nobody + lookups.unavailable;
    total.steps += report.steps;
    total.virtualMs += report.virtualMs;
    total.undecided += report.undecided;
    const { user, system } = process.cpuUsage(startedCpu);
    const seconds = (user + system) / 1e6;
    if (values.json === true) write(`${JSON.stringify({ ...options, ok: true, ...report })}\n`);
    else if (values.summary !== true) write(describe(options, report, seconds));
  } catch (error) {
    failed++;
    const isViolation = error instanceof Violation;
    const found = isViolation
      ? `${error.invariant} at ${error.atMs.toFixed(3)} ms: ${error.message}`
      : String((error as Error).stack);
    if (isViolation) violationMs = error.atMs;
    if (values.json === true) write(`${JSON.stringify({ ...options, ok: false, found })}\n`);
    else {
      const trace = isViolation && error.aor !== undefined ? ` --trace ${error.aor}` : "";
      write(`seed ${options.seed}: VIOLATION ${found}\n  replay: npm run sim -- ${flagsOf(options)}${trace}\n`);
    }
  }
  if (values.trace === undefined) return;
  const window = {
    from: values.from === undefined ? (violationMs ?? 0) - TRACED_MS : Number(values.from),
    to: positive(values.to, "to", Infinity),
  };
  writeTrace(options, values.trace, window);
}

const startedMs = performance.now();
for (let seed = first; seed < first + seeds; seed++) {
  const nodes = Math.trunc(positive(values.nodes, "nodes", [3, 5, 9][seed % 3] as number));
  const lease = values["lease-ms"] !== undefined && { leaseMs: positive(values["lease-ms"], "lease-ms", 0) };
  runSeed({ seed, nodes, minutes, ...lease, ...(values["wrong-clocks"] === true && { clocks: "wrong" }) });
}
if (values.summary === true) {
  const { claims, won, superseded, moves, lookups, steps, virtualMs, undecided } = total;
  const seconds = (performance.now() - startedMs) / 1000;
  write(
    `seeds ${first} to ${first + seeds - 1}: ${claims} claims (${won} won, ${moves} hand-overs, ${superseded} superseded), ${lookups} lookups, ` +
      `${undecided} histories not judged to their end, ${steps} steps, ${(virtualMs / 3_600_000).toFixed(1)} virtual hours in ${seconds.toFixed(0)} s\n`,
  );
}
write(`${seeds - failed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;
