import type { Figures } from "./measures.ts";
import { quantile } from "./measures.ts";

/** The figures of one way in one weather, and what the run was. */
export interface Row {
  readonly way: string;
  readonly figures: Figures;
  readonly servers: number;
  readonly minutes: number;
  /** Mean delay of the network: the unit of latencies. */
  readonly delayMs: number;
}

const HEAD = [
  "way",
  "two believers, per million moves (seen)",
  "longest",
  "notices over 1 s late",
  "over 25 s",
  "claims failed",
  "longest without a claim granted",
  "users not served",
  "messages: a claim",
  "a lookup",
  "notices a move",
  "upkeep a server and second",
  "claim p50 / p99, delays",
  "lookup p50 / p99, delays",
];

/** One weather's rows as a table in Markdown. */
export function tableOf(rows: readonly Row[]): string {
  const lines = [HEAD, HEAD.map((_, at) => (at === 0 ? "---" : "---:")), ...rows.map(cells)];
  return lines.map((line) => `| ${line.join(" | ")} |\n`).join("");
}

function cells({ way, figures, servers, minutes, delayMs }: Row): string[] {
  const { moves, races, claims, messages, claimMs, lookupMs, lookups } = figures;
  const claimed = claims.owned + claims.elsewhere + claims.unavailable;
  const delays = (values: readonly number[]) =>
    [0.5, 0.99].map((share) => (quantile(values, share) / delayMs).toFixed(1)).join(" / ");
  return [
    way,
    `${grouped((races / moves) * 1e6)} (${races})`,
    races === 0 ? "–" : duration(figures.longestRaceMs),
    percent(figures.noticesLate, figures.noticesDue),
    percent(figures.noticesLost, figures.noticesDueLong),
    percent(claims.unavailable, claimed),
    duration(figures.longestOutageMs),
    percent(figures.unserved, figures.samples),
    (messages.claim / claimed).toFixed(1),
    (messages.lookup / lookups).toFixed(1),
    (messages.notice / moves).toFixed(1),
    (messages.upkeep / servers / minutes / 60).toFixed(1),
    delays(claimMs),
    delays(lookupMs),
  ];
}

function percent(part: number, whole: number): string {
  return part === 0 ? "0" : `${((part / whole) * 100).toPrecision(2)} %`;
}

function duration(ms: number): string {
  return ms >= 1_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms)} ms`;
}

function grouped(value: number): string {
  return Math.round(value).toLocaleString("en-GB");
}
