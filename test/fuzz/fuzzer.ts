import type { Family } from "./growth.ts";

export interface FuzzOptions {
  readonly seed: number;
  readonly count: number;
  readonly onProgress?: (done: number) => void;
}

/** One of the things that are fuzzed, for the command line. */
export interface Fuzzer {
  /** As in "100 messages". */
  readonly plural: string;
  /**
   * Gives `count` mutated ones to everything that reads them.
   * @returns what the run showed, line by line, and what was found that does not stop a run
   * @throws {FuzzFailure} at the first that breaks something
   */
  run(options: FuzzOptions): Promise<{ readonly shown: readonly string[]; readonly findings: readonly string[] }>;
  /** What tempts its readers to look again at what they have seen. */
  readonly families: readonly Family[];
  /** Reads as a node does, refused or not. */
  read(octets: Buffer): void;
}

/** One in which something broke: its number and octets, so that it can be looked at. */
export class FuzzFailure extends Error {
  override readonly name = "FuzzFailure";

  constructor(number: number, octets: Buffer | readonly Buffer[], cause: unknown) {
    const all = Buffer.isBuffer(octets) ? [octets] : octets;
    const shown = all.map((each) => JSON.stringify(each.toString("latin1")));
    super(`number ${number}: ${String(cause)}\n${shown.join("\n")}`, { cause });
  }
}
