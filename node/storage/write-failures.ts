import type { Clock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import { LineLimit } from "../runtime/line-limit.ts";
import type { Logger } from "../runtime/logger.ts";

/** Tells of what could not be written: on a full disk every request brings some, and a line for each would fill the disk of the log as well. */
export class WriteFailures {
  readonly #lines = new LineLimit(limits.storage.failureLinesPerSecond);
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #logger: Logger;

  constructor({ clock, logger }: { readonly clock: Pick<Clock, "monotonicMs">; readonly logger: Logger }) {
    this.#clock = clock;
    this.#logger = logger;
  }

  tell(error: unknown, message: string, fields: object = {}): void {
    const leftOut = this.#lines.take(this.#clock.monotonicMs());
    if (leftOut !== undefined) this.#logger.error({ ...fields, err: error, ...leftOut }, message);
  }
}
