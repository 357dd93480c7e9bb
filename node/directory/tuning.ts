import { limits } from "../runtime/limits.ts";
import type { DirectoryTuning } from "./core/context.ts";

/** Times of the protocol that a deployment keeps; bounds are in `limits.directory`. */
export const defaultTuning: DirectoryTuning = {
  attemptMs: 250,
  hedgeMs: 10,
  forwardingMs: 5_000,
  stewardMs: 200,
  promoteAfterMs: 1_000,
  votersTarget: 1024,
  ceilingStep: 65_536,
  ...limits.directory,
};
