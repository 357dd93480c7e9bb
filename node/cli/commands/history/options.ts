import { Command, InvalidArgumentError } from "commander";
import { parseDuration } from "../../../config/values.ts";
import { limits } from "../../../runtime/limits.ts";
import { nodeCommand } from "../../find-node.ts";
import type { exportHistory, removeHistory, searchHistory } from "./handler.ts";

const WHO = "alice, alice@example.com or sip:alice@example.com";
const LOCAL = "only what this server keeps";
const DEFAULT_LIMIT = 20;

/** `aorta history search|export|remove` */
export function historyCommand(): Command {
  return new Command("history")
    .description("what users have written and received, on all servers that they have been on")
    .addCommand(
      restricted(
        nodeCommand(
          "search",
          "find a user's messages by their words: the newest ones, the newest last; with --json first",
        ),
      )
        .argument("<user>", WHO)
        .argument(
          "[words...]",
          "all have to occur, each whole, as the beginning of a word, or within text that is written without spaces; none for all messages",
        )
        .option("--limit <number>", "how many to show", parseLimit, DEFAULT_LIMIT)
        .action(async (...given: Parameters<typeof searchHistory>) =>
          (await import("./handler.ts")).searchHistory(...given),
        ),
    )
    .addCommand(
      restricted(nodeCommand("export", "print all messages of a user as JSON lines, the oldest first"))
        .argument("<user>", WHO)
        .action(async (...given: Parameters<typeof exportHistory>) =>
          (await import("./handler.ts")).exportHistory(...given),
        ),
    )
    .addCommand(
      nodeCommand("remove", "remove all messages of a user from their history, for good")
        .alias("rm")
        .argument("<user>", WHO)
        .option("--local", LOCAL, false)
        .addHelpText("after", REMOVE)
        .action(async (...given: Parameters<typeof removeHistory>) =>
          (await import("./handler.ts")).removeHistory(...given),
        ),
    );
}

const REMOVE = `
That is what they have written and what they have received. What they wrote is also in the history of who received it, until its time is over
or that is removed as well. Exits with 1 where a server could not be asked: to be run again when it is back. What one that has left the domain kept
is in its data folder, and is named until the time for which histories are kept is over.`;

function restricted(command: Command): Command {
  return command
    .option("--with <user>", "only messages to and from this user")
    .option("--since <duration>", "only messages of the last … 12h, 7d", parseAge)
    .option("--local", LOCAL, false);
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (/^\d+$/.test(text) && limit >= 1 && limit <= limits.history.entries) return limit;
  throw new InvalidArgumentError(`Expected a number from 1 to ${limits.history.entries}.`);
}

function parseAge(text: string): number {
  const ageMs = parseDuration(text);
  if (ageMs !== undefined) return ageMs;
  throw new InvalidArgumentError("Expected a duration, such as 12h or 7d.");
}
