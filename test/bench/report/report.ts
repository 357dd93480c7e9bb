import type { Metric } from "../system.ts";
import type { Verdict } from "./goals.ts";
import { format, judge } from "./goals.ts";
import type { Results } from "./results.ts";
import { table } from "./table.ts";

const COLUMNS: readonly (readonly [string, Metric])[] = [
  ["p50 ms", "p50Ms"],
  ["p99 ms", "p99Ms"],
  ["ops/s", "perSecond"],
  ["CPU µs/op", "cpuMicros"],
  ["idle CPU %", "idlePercent"],
  ["replica B", "replicaHeapBytes"],
  ["owner B", "ownerHeapBytes"],
  ["RSS MiB", "rssMebibytes"],
  ["two owners", "twoBelievers"],
  ["outage ms", "outageMs"],
];

/**
 * The raw operation that an operation is compared with: what asks or tells with the round trip, what waits for a majority
 * with the write to as many replicas.
 */
function limitOf(system: string, operation: string): string {
  if (operation === "lookup" || operation.startsWith("notice")) return "round-trip";
  return system === "aorta-5" ? "write-5" : "write";
}

/** The figures and the goals, for people. */
export function report(results: Results, markdown: boolean): string {
  const rows = results.rows().map(({ system, operation }) => {
    const ratio = system === "raw" ? undefined : results.ratio(system, operation, "p50Ms", limitOf(system, operation));
    return [
      system,
      operation,
      ...COLUMNS.map(([, metric]) => cell(results.value(system, operation, metric))),
      ratio === undefined ? "" : `${format(ratio)} × ${limitOf(system, operation)}`,
    ];
  });
  const titles = ["system", "operation", ...COLUMNS.map(([title]) => title), "p50 by the raw limit"];
  return `${table([titles, ...rows], markdown)}\n\n${goalTable(judge(results), markdown)}\n`;
}

/** Which goals are met. */
export function goalTable(verdicts: readonly Verdict[], markdown: boolean): string {
  const rows = verdicts.map(({ goal, measured, met }) => [
    met === undefined ? "–" : met ? "met" : "MISSED",
    goal,
    measured,
  ]);
  return table([["", "goal", "measured"], ...rows], markdown);
}

function cell(value: number | undefined): string {
  return value === undefined ? "" : format(value);
}
