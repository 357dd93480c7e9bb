import { BALLOT_MAX } from "../../dht-schema/ballot.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { Settings } from "../storage/ports.ts";

const NAME = "directory.ceiling";

/** The durable ballot ceiling, 0 before the first. @throws {OperationalError} `DAMAGED_SETTING` */
export function readCeiling(settings: Settings): number {
  const stored = settings.get(NAME);
  if (stored === undefined) return 0;
  const text = new TextDecoder().decode(stored);
  const counter = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  // Starting below what was promised before would let epochs go back: better not to start.
  if (!(counter <= BALLOT_MAX.counter))
    throw new OperationalError("DAMAGED_SETTING", `the stored ballot ceiling is damaged: ${JSON.stringify(text)}`);
  return counter;
}

/** Makes a ballot ceiling durable before it returns. */
export function writeCeiling(settings: Settings, counter: number): void {
  settings.set(NAME, new TextEncoder().encode(String(counter)));
}
