import type { Clock } from "../runtime/clock.ts";
import { systemClock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import { LineLimit } from "../runtime/line-limit.ts";
import type { Logger } from "../runtime/logger.ts";
import type { StorageProblem } from "./storage-problem.ts";

/**
 * Tells operators when a database cannot be written any more, and when it can be again. A disk that is nearly full takes one write and refuses
 * the next: then not each change is a line, but the last line says in the end what is so.
 * @returns to be told after each write
 */
export function logProblems(
  file: string,
  logger: Logger,
  clock: Pick<Clock, "monotonicMs"> = systemClock,
): (problem: StorageProblem | undefined) => void {
  const lines = new LineLimit(limits.storage.problemLinesPerSecond);
  let told: string | undefined;
  return (problem) => {
    if (problem?.code === told) return;
    const leftOut = lines.take(clock.monotonicMs());
    if (leftOut === undefined) return;
    told = problem?.code;
    if (problem === undefined) logger.info({ file, ...leftOut }, "the database is written again");
    else
      logger.error(
        { file, code: problem.code, ...leftOut },
        `the database cannot be written, and what has to be kept is refused: ${problem.message}`,
      );
  };
}
