/** A promise of the directory (I1 to I5), what its operations promise together, or what a claim since an epoch does. */
export type Invariant = "I1" | "I2" | "I3" | "I4" | "I5" | "linearizability" | "since";

/** A promise of the directory that a run saw broken. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly invariant: Invariant;
  /** True time of the run. */
  readonly atMs: number;
  /** The AoR it is about, if it is about one. */
  readonly aor: string | undefined;

  constructor(invariant: Invariant, atMs: number, message: string, aor?: string) {
    super(message);
    this.invariant = invariant;
    this.atMs = atMs;
    this.aor = aor;
  }
}
