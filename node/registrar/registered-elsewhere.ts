import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { compareBallots } from "../../dht-schema/ballot.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import type { ClaimOutcome } from "../federation/locator.ts";
import type { AskRegistration } from "../federation/registration-elsewhere.ts";
import type { RegisterOrder } from "./binding.ts";
import type { ShedJournal } from "./shed-journal.ts";

/** Whether what looks like the refresh of a client that was left behind is of the one that has the user elsewhere. */
export async function hasComeBack(
  outcome: ClaimOutcome,
  aor: Aor,
  order: RegisterOrder,
  { ask, shed }: { readonly ask: AskRegistration; readonly shed: Pick<ShedJournal, "sought"> },
): Promise<boolean> {
  if (outcome.kind !== "owned-elsewhere" || order.kind !== "bind") return false;
  return (await ask(outcome.owner, aor, shed.sought(aor, order.callId, order.firstCSeq))).isThere;
}

/**
 * Whether registrations here are newer than those for which another server has the user. When servers restart together, one that the user has left can
 * be the first to claim them.
 */
export async function isNewerThan(
  owner: ServerId,
  aor: Aor,
  ours: Epoch | undefined,
  ask: AskRegistration,
): Promise<boolean> {
  if (ours === undefined) return false;
  const { epoch: theirs } = await ask(owner, aor);
  return theirs !== undefined && compareBallots(ours, theirs) > 0;
}
