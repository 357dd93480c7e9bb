/** What a run of the benchmark is to do. */
export interface BenchOptions {
  /** Less of everything. */
  readonly quick: boolean;
  /** Measured rounds, after one that warms up. */
  readonly rounds: number;
  /** Of each SIP operation in a round; `undefined` leaves it to the part. */
  readonly calls: number | undefined;
  /** Names of parts, systems and operations; all where none of a kind is named. */
  readonly only: ReadonlySet<string>;
  /** Tables as markdown. */
  readonly markdown: boolean;
  /** Folder for CPU profiles. */
  readonly profile: string | undefined;
}

/** One part of the benchmark, with systems and goals of its own. */
export interface Part {
  readonly name: string;
  readonly systems: ReadonlySet<string>;
  readonly operations: ReadonlySet<string>;
  run(options: BenchOptions): Promise<PartReport>;
}

/** What a part showed. */
export interface PartReport {
  /** For people. */
  readonly text: string;
  /** For programs: every figure of every round, and the goals. */
  readonly data: object;
}

/** Whether a name is to be measured, `among` those of its kind: named itself, or none of them is. */
export function isWanted(only: ReadonlySet<string>, name: string, among: ReadonlySet<string>): boolean {
  return only.has(name) || [...only].every((other) => !among.has(other));
}

/** The parts that are named or have something of what is: a named system, if there is one, and a named operation, if there is one. */
export function wantedParts(only: ReadonlySet<string>, parts: readonly Part[]): readonly Part[] {
  const partNames = new Set(parts.map(({ name }) => name));
  const has = (part: Part, kind: "systems" | "operations"): boolean => {
    const named = [...only].filter((name) => parts.some((each) => each[kind].has(name)));
    return named.length === 0 || named.some((name) => part[kind].has(name));
  };
  return parts.filter(
    (part) => isWanted(only, part.name, partNames) && has(part, "systems") && has(part, "operations"),
  );
}

/** One line that changes on a terminal, a line each elsewhere. */
export function progress(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${text}` : `${text}\n`);
}
