import { BALLOT_MAX } from "../../dht-schema/ballot.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";
import type { Settings } from "../storage/ports.ts";

const NAME = "directory.ceiling";
/** After how long a write that failed is tried again, ms. */
const RETRY_MS = 1_000;

/** The durable ballot ceiling, 0 before the first. @throws {OperationalError} `DAMAGED_SETTING` */
export function readCeiling(settings: Settings): number {
  const stored = settings.get(NAME);
  if (stored === undefined) return 0;
  const text = new TextDecoder().decode(stored);
  const counter = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  // Starting below what was promised before would let epochs go back: better not to start.
  if (!(counter <= BALLOT_MAX.counter))
    throw new OperationalError(
      "DAMAGED_SETTING",
      `the stored ballot ceiling is damaged: ${JSON.stringify(text.slice(0, 40))}. Take this server out of the roster, and let it join anew with an empty data folder`,
    );
  return counter;
}

/** Makes a ballot ceiling durable before it returns. */
export function writeCeiling(settings: Settings, counter: number): void {
  settings.set(NAME, new TextEncoder().encode(String(counter)));
}

/**
 * Raises the durable ceiling. While the disk fails, this server promises no ballots above the one it has; what was promised before stands, and
 * the write is tried again until it succeeds.
 */
export class CeilingKeeper {
  readonly #settings: Settings;
  readonly #counters: Counters;
  readonly #logger: Logger;
  readonly #onStored: (counter: number) => void;
  #failing = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(
    components: { readonly settings: Settings; readonly counters: Counters; readonly logger: Logger },
    onStored: (counter: number) => void,
  ) {
    this.#settings = components.settings;
    this.#counters = components.counters;
    this.#logger = components.logger;
    this.#onStored = onStored;
  }

  raise(counter: number): void {
    try {
      writeCeiling(this.#settings, counter);
    } catch (error) {
      this.#counters.add("directory.ceiling_failed");
      if (!this.#failing) {
        const reason = (error as Error).message;
        this.#logger.error(
          { reason },
          "the ballot ceiling could not be stored: no new claims are granted here until it is",
        );
      }
      this.#failing = true;
      this.#retry = setTimeout(() => this.raise(counter), RETRY_MS);
      return;
    }
    if (this.#failing) this.#logger.info({}, "the ballot ceiling is stored again: claims are granted as before");
    this.#failing = false;
    this.#onStored(counter);
  }

  stop(): void {
    clearTimeout(this.#retry);
  }
}
