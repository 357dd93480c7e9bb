import type { Command } from "commander";
import { nodeCommand } from "../../find-node.ts";
import type { invite } from "./handler.ts";

/** `aorta invite` */
export function inviteCommand(): Command {
  return nodeCommand("invite", "print a token that lets one server join the domain, once")
    .option("--ttl <duration>", "how long it is good for", "1h")
    .option("--steward", "give the new server a copy of the domain's key, as a spare")
    .action(async (...given: Parameters<typeof invite>) => (await import("./handler.ts")).invite(...given));
}
