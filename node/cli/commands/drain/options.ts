import type { Command } from "commander";
import { changeOptions, nodeCommand } from "../../find-node.ts";
import type { drain } from "./handler.ts";

/** `aorta drain` */
export function drainCommand(): Command {
  return changeOptions(nodeCommand("drain", "let a node's users go elsewhere, and take it out of the domain for good"))
    .addHelpText("after", HELP)
    .action(async (...given: Parameters<typeof drain>) => (await import("./handler.ts")).drain(...given));
}

const HELP = `
The node takes no more users, ends its clients' subscriptions, lets go of its users so that they can register on other servers at
once, and leaves the roster when the others need it no longer; then it ends. The command may be interrupted and repeated.

To stop a node for a while there is nothing to do but stop it: at SIGTERM it lets go of its users too, and it
comes back as the same server.`;
