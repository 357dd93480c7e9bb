import { Command } from "commander";
import { nodeCommand } from "../../find-node.ts";
import type { addUser, listUsers, removeUser } from "./handler.ts";

const WHO = "alice, alice@example.com or sip:alice@example.com";

/** `aorta user add|remove|list` */
export function userCommand(): Command {
  return new Command("user")
    .description("manage who may register at a node, whether it is running or not")
    .addCommand(
      nodeCommand("add", "let a user register, or give them a new password")
        .argument("<user>", WHO)
        .option(
          "--password <password>",
          "otherwise asked for, or read from the first line of standard input; others on this machine may see it here",
        )
        .option("--username <name>", "user name for authentication (default the user's part of the address)")
        .action(async (...given: Parameters<typeof addUser>) => (await import("./handler.ts")).addUser(...given)),
    )
    .addCommand(
      nodeCommand("remove", "let a user register no longer; registrations last until they expire")
        .alias("rm")
        .argument("<user>", WHO)
        .action(async (...given: Parameters<typeof removeUser>) => (await import("./handler.ts")).removeUser(...given)),
    )
    .addCommand(
      nodeCommand("list", "list users").action(async (...given: Parameters<typeof listUsers>) =>
        (await import("./handler.ts")).listUsers(...given),
      ),
    );
}
