import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { compareBallots } from "../../dht-schema/ballot.ts";

/**
 * What else than contacts is kept of users while this server does not own them, because of a restart or because the directory
 * could not be reached. The registrar claims these users again, and says when what rests is out of date.
 */
export interface RestingState {
  /** Users of whom something may rest. */
  aors(): Iterable<Aor>;
  has(aor: Aor): boolean;
  /** The epoch under which it was made: whose is the newest when two servers have some. */
  epochOf(aor: Aor): Epoch | undefined;
  /** The user has been on another server since: forget it. */
  shed(aor: Aor): void;
}

/** The highest of some epochs. */
export function newestOf(epochs: readonly (Epoch | undefined)[]): Epoch | undefined {
  let newest: Epoch | undefined;
  for (const epoch of epochs)
    if (epoch !== undefined && (newest === undefined || compareBallots(epoch, newest) > 0)) newest = epoch;
  return newest;
}
