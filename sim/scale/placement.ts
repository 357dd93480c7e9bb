import { parseAor } from "../../dht-schema/aor.ts";
import { kadIdOfAor } from "../../dht-schema/record-key.ts";
import { ReplicaGroups } from "../../dht-schema/replica-groups.ts";
import { kadMembers } from "../../dht-schema/roster.ts";
import { swarmRoster } from "./swarm.ts";

/** How evenly the registers of a domain lie on its servers. */
export interface Placement {
  readonly servers: number;
  /** Registers of the fullest server, and of the emptiest, as multiples of the mean. */
  readonly fullest: number;
  readonly emptiest: number;
  /** The server that 99 of 100 have fewer registers than. */
  readonly p99: number;
  /** Distinct replica groups: what a server keeps one quorum object each for. */
  readonly groups: number;
}

/** Places users by the production code: real peer ids, real SHA-256. Enough users that chance is not what is seen. */
export function measurePlacement(servers: number, users = Math.max(50_000, servers * 40)): Placement {
  const roster = swarmRoster(servers);
  const groups = new ReplicaGroups(kadMembers(roster, roster.voters));
  const registers = new Uint32Array(servers);
  const names = new Set<string>();
  let placed = 0;
  for (let user = 0; user < users; user++) {
    const group = groups.of(kadIdOfAor(parseAor(`sip:user${user}@example.com`)));
    for (const number of group) (registers[number - 1] as number)++;
    placed += group.length;
    names.add(group.sort((a, b) => a - b).join());
  }
  const mean = placed / servers;
  const sorted = [...registers].sort((a, b) => a - b);
  return {
    servers,
    fullest: (sorted.at(-1) as number) / mean,
    emptiest: (sorted[0] as number) / mean,
    p99: (sorted[Math.floor(servers * 0.99)] as number) / mean,
    groups: names.size,
  };
}
