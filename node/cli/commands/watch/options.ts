import type { Command } from "commander";
import { nodeCommand } from "../../find-node.ts";
import type { watchUser } from "./handler.ts";

/** `aorta watch <aor>` */
export function watchCommand(): Command {
  return nodeCommand("watch", "tell which server serves a user, now and whenever it changes, until interrupted")
    .argument("<user>", "alice, alice@example.com or sip:alice@example.com")
    .action(async (...given: Parameters<typeof watchUser>) => (await import("./handler.ts")).watchUser(...given));
}
