import type { AortaError } from "../runtime/errors.ts";
import type { Clock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Timers } from "../runtime/timers.ts";

/** That the history cannot be written. */
export interface HistoryFailure {
  /** As of storage problems. */
  readonly code: string;
  readonly message: string;
  /** Wall clock, ms since 1970. */
  readonly sinceMs: number;
  /** Messages that it has cost since then. */
  readonly lost: number;
}

/** Whether a history fails, for operators: at once in the status, and in the log once a minute however much is lost. */
export class HistoryFailures {
  readonly #parts: { readonly clock: Clock; readonly timers: Timers; readonly logger: Logger };
  #present: HistoryFailure | undefined;
  /** What was lost since the last line of the log; `undefined` where there was none in the last minute. */
  #untold: number | undefined;
  #endMinute = () => {};

  constructor(parts: { readonly clock: Clock; readonly timers: Timers; readonly logger: Logger }) {
    this.#parts = parts;
  }

  get present(): HistoryFailure | undefined {
    return this.#present;
  }

  /** @param lost messages that are not in the history because of it */
  failed({ code, message }: AortaError, lost: number): void {
    const { sinceMs = this.#parts.clock.wallMs(), lost: before = 0 } = this.#present ?? {};
    this.#present = { code, message, sinceMs, lost: before + lost };
    if (this.#untold === undefined) this.#tell(this.#present, lost);
    else this.#untold += lost;
  }

  succeeded(): void {
    this.#present = undefined;
  }

  stop(): void {
    this.#endMinute();
  }

  #tell({ code, message }: HistoryFailure, lost: number): void {
    this.#parts.logger.warn({ code, lost }, `the history cannot be written: ${message}`);
    this.#untold = 0;
    this.#endMinute = this.#parts.timers.after(limits.history.tellMs, () => {
      const untold = this.#untold ?? 0;
      this.#untold = undefined;
      const failure = this.#present;
      if (failure !== undefined && untold > 0) this.#tell(failure, untold);
      else if (failure === undefined) this.#parts.logger.info({ lost: untold }, "the history is written again");
    });
  }
}
