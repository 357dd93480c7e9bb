import type { Logger } from "../../runtime/logger.ts";
import { limits } from "../../runtime/limits.ts";
import type { Timers } from "../../runtime/timers.ts";
import type { Settings } from "../../storage/ports.ts";

/** A user, and an address from which they have shown the right password. */
export type KnownSource = readonly [username: string, source: string];

const KNOWN_SOURCES = "sip.known-sources";

export interface KnownSourcesComponents {
  readonly settings: Settings;
  /** The known ones, the newest last. */
  readonly known: () => readonly KnownSource[];
  readonly timers: Timers;
  readonly logger: Logger;
}

/**
 * Writes down from where users are known, now and then and at the end: who guesses while the server is started again would otherwise lock
 * out everybody whom they guess.
 */
export class KnownSourcesJournal {
  readonly #components: KnownSourcesComponents;
  #written = "[]";
  #cancel = (): void => {};

  constructor(components: KnownSourcesComponents) {
    this.#components = components;
  }

  start(): void {
    this.#cancel = this.#components.timers.after(limits.sip.guesses.writeMs, () => {
      this.#write();
      this.start();
    });
  }

  stop(): void {
    this.#cancel();
    this.#write();
  }

  #write(): void {
    const { settings, known, logger } = this.#components;
    const text = JSON.stringify(fitting(known()));
    if (text === this.#written) return;
    try {
      settings.set(KNOWN_SOURCES, Buffer.from(text));
      this.#written = text;
    } catch (error) {
      logger.warn({ err: error }, "could not write down from where users are known");
    }
  }
}

/** What an earlier run of this process has written; none where that cannot be read. */
export function readKnownSources(settings: Settings): readonly KnownSource[] {
  const stored = settings.get(KNOWN_SOURCES);
  if (stored === undefined) return [];
  try {
    const list: unknown = JSON.parse(Buffer.from(stored).toString());
    return Array.isArray(list) ? list.filter(isKnownSource) : [];
  } catch {
    return [];
  }
}

/** The newest ones, as many as are written. */
function fitting(known: readonly KnownSource[]): readonly KnownSource[] {
  let bytes = 0;
  const first = known.findLastIndex(
    (each) => (bytes += Buffer.byteLength(JSON.stringify(each)) + 1) > limits.sip.guesses.writtenBytes,
  );
  return known.slice(first + 1);
}

function isKnownSource(value: unknown): value is KnownSource {
  return Array.isArray(value) && value.length === 2 && value.every((each) => typeof each === "string");
}
