import { claimMutants } from "./claim-mutants.ts";
import { leaseMutants } from "./lease-mutants.ts";
import type { Mutant } from "./mutant.ts";
import { readerMutants } from "./reader-mutants.ts";
import { rosterMutants } from "./roster-mutants.ts";
import { sinceMutants } from "./since-mutants.ts";

/** Every rule of the directory that can be broken, broken. */
export const mutants: readonly Mutant[] = [
  ...leaseMutants,
  ...claimMutants,
  ...sinceMutants,
  ...rosterMutants,
  ...readerMutants,
];
