import { systemClock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import { LineLimit } from "../runtime/line-limit.ts";
import type { Logger } from "../runtime/logger.ts";
import type { StorageProblem } from "./storage-problem.ts";

/**
 * Tells operators when a database cannot be written any more, and when it can be again. A disk that is nearly full takes one write and refuses
 * the next: then not each change is a line.
 */
export function logProblems(file: string, logger: Logger): (problem: StorageProblem | undefined) => void {
  const lines = new LineLimit(limits.storage.problemLinesPerSecond);
  return (problem) => {
    const leftOut = lines.take(systemClock.monotonicMs());
    if (leftOut === undefined) return;
    if (problem === undefined) logger.info({ file, ...leftOut }, "the database is written again");
    else
      logger.error(
        { file, code: problem.code, ...leftOut },
        `the database cannot be written, and what has to be kept is refused: ${problem.message}`,
      );
  };
}
