import type { Metric } from "../system.ts";
import { format, judge } from "./goals.ts";
import type { Results } from "./results.ts";

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
export function report(results: Results): string {
  const rows = results.rows().map(({ system, operation }) => {
    const ratio = system === "raw" ? undefined : results.ratio(system, operation, "p50Ms", limitOf(system, operation));
    return [
      system,
      operation,
      ...COLUMNS.map(([, metric]) => cell(results.value(system, operation, metric))),
      ratio === undefined ? "" : `${format(ratio)} × ${limitOf(system, operation)}`,
    ];
  });
  const figures = align([["system", "operation", ...COLUMNS.map(([title]) => title), "p50 by the raw limit"], ...rows]);
  const goals = judge(results).map(({ goal, measured, met }) => [
    met === undefined ? "–" : met ? "met" : "MISSED",
    goal,
    measured,
  ]);
  return `${figures}\n\n${align([["", "goal", "measured"], ...goals])}\n`;
}

function cell(value: number | undefined): string {
  return value === undefined ? "" : format(value);
}

/** Columns of equal width; all but the texts at both ends to the right. */
function align(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const isNumber = (column: number) => column > 1 && column < widths.length - 1;
  return rows
    .map((row) =>
      row
        .map((text, column) =>
          isNumber(column) ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
