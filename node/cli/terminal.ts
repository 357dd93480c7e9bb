import { styleText } from "node:util";
import { formatDuration } from "../config/values.ts";

/** Styles that mean something: `strong` for what to look at first, `good` and `bad` for how it is, `quiet` for the rest. */
type Style = "strong" | "good" | "bad" | "quiet";

const FORMATS = { strong: "bold", good: "green", bad: "red", quiet: "dim" } as const;

/** Text for standard output, coloured on a terminal only. */
export function paint(style: Style, text: string): string {
  return styleText(FORMATS[style], text, { stream: process.stdout });
}

/** Writes a line of results. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Writes a line for people that is no result: a hint, progress, an error. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Writes a result for programs: one JSON document. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, process.stdout.isTTY ? 2 : undefined));
}

/** A cell: plain text, or text with the style that it has on a terminal. */
export type Cell = string | { readonly text: string; readonly style: Style };

/** Columns that line up; the head is left out when there are no rows. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  if (rows.length === 0) return [];
  const all: (readonly Cell[])[] = [head.map((text) => ({ text, style: "quiet" as const })), ...rows];
  return columns(all);
}

/** `name  value` lines that line up. */
export function facts(pairs: readonly (readonly [name: string, value: Cell | undefined])[]): string[] {
  return columns(
    pairs.flatMap(([name, value]) => (value === undefined ? [] : [[{ text: name, style: "quiet" }, value]])),
  );
}

function columns(rows: readonly (readonly Cell[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, textOf(cell).length);
  }
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const text = textOf(cell);
        const padding = column === row.length - 1 ? "" : " ".repeat((widths[column] as number) - text.length);
        return (typeof cell === "string" || text === "" ? text : paint(cell.style, text)) + padding;
      })
      .join("  ")
      .trimEnd(),
  );
}

function textOf(cell: Cell): string {
  return typeof cell === "string" ? cell : cell.text;
}

/** How long a wait may be before people are told what is being waited for, ms. */
const PATIENCE_MS = 2000;

/** Waits for `work`; when it takes long, says on standard error what for, and on a terminal for how long already. */
export async function withProgress<Result>(what: string, work: Promise<Result>): Promise<Result> {
  const startedAtMs = performance.now();
  const isTerminal = process.stderr.isTTY === true;
  const clear = () => isTerminal && process.stderr.write("\r\u001B[K");
  let shown = false;
  const timer = setInterval(() => {
    const waitedMs = performance.now() - startedAtMs;
    if (waitedMs < PATIENCE_MS || (shown && !isTerminal)) return;
    clear();
    process.stderr.write(`${what} … ${isTerminal ? formatDuration(waitedMs) : "\n"}`);
    shown = true;
  }, PATIENCE_MS / 4);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    if (shown) clear();
  }
}
