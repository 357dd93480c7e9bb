import type { Ballot } from "../../../dht-schema/ballot.ts";
import type { DirectoryMessage } from "../../../dht-schema/directory-messages.ts";

/**
 * - `foreign-ballot`: it spoke by a ballot that names another server
 * - `future-ballot`: it spoke by a ballot of a roster version that does not exist yet
 * - `counter-leap`: its ballot is farther above all others than counters grow; it may also be that this server has been away
 */
export type Violation = "foreign-ballot" | "future-ballot" | "counter-leap";

/** What a server speaks by is a ballot of its own, of a roster version that there is. */
export function brokenRule(message: DirectoryMessage, from: number, version: number): Violation | undefined {
  const ballot = ballotOfSender(message);
  if (ballot === undefined) return undefined;
  if (ballot.member !== from) return "foreign-ballot";
  return ballot.version > version ? "future-ballot" : undefined;
}

function ballotOfSender(message: DirectoryMessage): Ballot | undefined {
  switch (message.type) {
    case "prepare":
    case "accept":
    case "release":
      return message.ballot;
    case "handover":
      return message.mine;
    default:
      return undefined;
  }
}
