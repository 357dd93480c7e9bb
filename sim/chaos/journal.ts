import { openSync, readFileSync, writeSync } from "node:fs";

/**
 * What a server under chaos says of itself, one line of JSON each, written before anything else happens: a process that is
 * killed in the next instant has said it. Times are those of {@link machineMs}.
 */
export type JournalEntry =
  | { readonly kind: "up"; readonly atMs: number; readonly number: number; readonly boot: number }
  /** A claim succeeded that was asked for at `askedAtMs`. */
  | {
      readonly kind: "won";
      readonly atMs: number;
      readonly askedAtMs: number;
      readonly aor: string;
      readonly epoch: string;
    }
  | {
      readonly kind: "lost";
      readonly atMs: number;
      readonly aor: string;
      readonly epoch: string;
      readonly reason: "handed-over" | "expired" | "released";
    }
  /** It owned the user at this instant, and believes that it does until `untilMs`, by its own clock and without another renewal. */
  | {
      readonly kind: "owns";
      readonly atMs: number;
      readonly aor: string;
      readonly epoch: string;
      readonly untilMs: number;
    }
  /** What its watch of the directory tells; `owner` and `epoch` are absent where nobody owns the user, or changes were missed. */
  | {
      readonly kind: "told";
      readonly atMs: number;
      readonly aor: string;
      readonly state: "owner" | "nobody" | "missed";
      readonly epoch?: string;
    }
  /** Its event loop has stood still this long, for whatever reason. */
  | { readonly kind: "stood-still"; readonly atMs: number; readonly forMs: number };

/** CLOCK_MONOTONIC, which all processes of a machine share, ms. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Appends to a journal; the file is made when it is not there. */
export class JournalWriter {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, "a");
  }

  write(entry: JournalEntry): void {
    writeSync(this.#file, `${JSON.stringify(entry)}\n`);
  }
}

/** All entries of a journal; a last line that a kill has cut off is left out. */
export function readJournal(path: string): JournalEntry[] {
  const lines = readFileSync(path, "utf8").split("\n");
  lines.pop();
  return lines.map((line) => JSON.parse(line) as JournalEntry);
}
