import type { EventEmitter } from "node:events";
import { systemClock } from "../../../runtime/clock.ts";
import { LineLimit } from "../../../runtime/line-limit.ts";
import type { Logger } from "../../../runtime/logger.ts";

/**
 * A fault of ours behind an `await` costs what it was about, as one before it does: a message that brings one to light would otherwise end the
 * node, and after it the next to which its sender turns. It is in the log, as an error. What else nobody catches ends the process: there a part
 * may have stopped half-way through a change of what it knows.
 */
export function surviveRejections(process: EventEmitter, logger: Logger): void {
  const lines = new LineLimit(5);
  process.on("unhandledRejection", (error: unknown) => {
    const leftOut = lines.take(systemClock.monotonicMs());
    if (leftOut !== undefined) logger.error({ err: error, ...leftOut }, "a fault of this program");
  });
}
