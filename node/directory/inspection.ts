import type { Epoch } from "../../dht-schema/ballot.ts";
import type { Roster, ServerId } from "../../dht-schema/roster.ts";
import type { ReplicaAnswer } from "./core/context.ts";

/** What one replica says of an AoR, for operators. */
export interface ReplicaInspection {
  readonly server: ServerId;
  readonly name: string;
  readonly answer: "state" | "abstaining" | "silent";
  readonly promised?: Epoch;
  readonly accepted?: { readonly epoch: Epoch; readonly boot: number; readonly validForMs: number };
}

/** An answer, with the server that gave it. */
export function inspectionOf(roster: Roster, { member, answer, promised, accepted }: ReplicaAnswer): ReplicaInspection {
  const server = roster.servers.find(({ number }) => number === member);
  return {
    server: (server?.id ?? "") as ServerId,
    name: server?.name ?? String(member),
    answer,
    ...(promised && { promised }),
    ...(accepted && { accepted: { epoch: accepted.ballot, boot: accepted.boot, validForMs: accepted.validForMs } }),
  };
}
