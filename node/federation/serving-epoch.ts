import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { compareBallots } from "../../dht-schema/ballot.ts";
import type { Locator } from "./locator.ts";

/**
 * The epoch under which this server may speak for a user at this instant. Knowing that a higher one exists silences it,
 * even if its own leases seem to hold: the clocks may be wrong (I3).
 */
export function servingEpoch(locator: Pick<Locator, "owned" | "newestEpoch">, aor: Aor): Epoch | undefined {
  const owned = locator.owned(aor);
  const newest = owned && locator.newestEpoch(aor);
  return newest !== undefined && compareBallots(newest, owned as Epoch) > 0 ? undefined : owned;
}
