/** What a process of the benchmark does on request: functions by name, each of one argument that survives JSON. */
// oxlint-disable-next-line typescript/no-explicit-any -- arguments differ from command to command
export type Commands = Record<string, (argument: any) => unknown>;

/** A request to a child process. */
export interface Request {
  readonly id: number;
  readonly command: string;
  readonly argument: unknown;
}

/** Its answer. */
export type Reply = { readonly id: number } & ({ readonly value: unknown } | { readonly error: string });

/** Memory of a process after a full collection, bytes. */
export interface Memory {
  readonly heap: number;
  readonly rss: number;
}

/** This machine's monotonic clock, ms: on Linux the same for all processes, which the benchmark verifies before it relies on it. */
export function sharedClockMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
