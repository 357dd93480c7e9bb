import type { Command } from "commander";
import { nodeCommand } from "../../find-node.ts";
import type { lookUp } from "./handler.ts";

/** `aorta lookup <aor>` */
export function lookupCommand(): Command {
  return nodeCommand("lookup", "show which server serves a user, and what each replica says of it and why")
    .argument("<user>", "alice, alice@example.com or sip:alice@example.com")
    .action(async (...given: Parameters<typeof lookUp>) => (await import("./handler.ts")).lookUp(...given));
}
