import type { Roster } from "../../../dht-schema/roster.ts";

/** T·(1 + 4ρ): after it every lease that a replica granted before has run out on its holder's clock, whatever the drift. */
export function graceMs({ leaseMs, driftPpm }: Roster): number {
  return leaseMs * (1 + (4 * driftPpm) / 1e6);
}
