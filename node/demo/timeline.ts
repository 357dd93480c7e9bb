/** One thing that happened, as a line of the timeline. */
export interface TimelineEvent {
  /** Since the step began. */
  readonly atMs: number;
  /** `server 2`; empty when it concerns none or all. */
  readonly server: string;
  readonly who: string;
  readonly what: string;
  /** Of the ownership that the event shows. */
  readonly epoch?: string;
}

/** How lines may look. */
export interface Style {
  /** Only for a terminal. */
  readonly colour: boolean;
}

/** A column of a table. */
export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
}

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 };
type Paint = keyof typeof codes;

const serverColours: readonly Paint[] = ["cyan", "magenta", "yellow"];
const widths = { ms: 9, server: 8, who: 5, what: 66 };

/** `3  joe writes to alice, and she answers` */
export function renderHeading(number: number, title: string, style: Style): string {
  return `\n${paint(style, "bold", `${number}  ${title}`)}`;
}

/** Columns: milliseconds, server, who, what, epoch. What is too long for its column pushes the epoch to the right. */
export function renderEvent(event: TimelineEvent, style: Style): string {
  const ms = paint(style, "dim", `+${Math.round(event.atMs)} ms`.padStart(widths.ms));
  const server = paint(style, serverColour(event.server), event.server.padEnd(widths.server));
  const who = paint(style, "bold", event.who.padEnd(widths.who));
  const epoch = event.epoch === undefined ? "" : `  ${paint(style, "dim", `epoch ${event.epoch}`)}`;
  const what = epoch === "" ? event.what : event.what.padEnd(widths.what);
  return `  ${ms}  ${server}  ${who}  ${what}${epoch}`.trimEnd();
}

/** How a step ended: `✔` with what it showed, or `✘` with why not. */
export function renderVerdict(succeeded: boolean, text: string, style: Style): string {
  return `     ${succeeded ? paint(style, "green", `✔ ${text}`) : paint(style, "red", `✘ ${text}`)}`;
}

/** A table with a rule below its titles. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[], style: Style): string {
  const width = columns.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => (row[index] ?? "").length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) =>
        columns[index]?.align === "right" ? cell.padStart(width[index]!) : cell.padEnd(width[index]!),
      )
      .join("   ")
      .trimEnd();
  return [
    paint(style, "bold", line(columns.map(({ title }) => title))),
    paint(style, "dim", line(width.map((count) => "─".repeat(count)))),
    ...rows.map(line),
  ]
    .map((text) => `     ${text}`)
    .join("\n");
}

/** A quantile by the nearest rank. @throws {RangeError} when there are no values */
export function quantile(values: readonly number[], fraction: number): number {
  if (values.length === 0) throw new RangeError("A quantile of nothing.");
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)]!;
}

/** One decimal below 100 ms, none above. */
export function formatMs(ms: number): string {
  return `${ms < 100 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** Text in colour, where there is colour. */
export function paint(style: Style, as: Paint | undefined, text: string): string {
  return style.colour && as !== undefined ? `\u001b[${codes[as]}m${text}\u001b[0m` : text;
}

function serverColour(server: string): Paint | undefined {
  const number = Number(/\d+$/.exec(server)?.[0] ?? 0);
  return number === 0 ? undefined : serverColours[(number - 1) % serverColours.length];
}
