import { Command } from "commander";
import { nodeCommand } from "../../find-node.ts";
import type { addUser, listUsers, removeUser } from "./handler.ts";
import type { importUsers } from "./import.ts";

const WHO = "alice, alice@example.com or sip:alice@example.com";

const IMPORT = `
An empty line, or one that begins with #, is passed over. Who is there already gets the new password. When a line is wrong, no user
is stored. Without passwords, users of Kamailio come with what it keeps of them, which is good for MD5 (aorta up --digest md5):

  mysql -BNe "SELECT CONCAT(username, ':', ha1) FROM subscriber WHERE domain = 'example.com'" kamailio | aorta user import --ha1 -`;

/** `aorta user add|import|remove|list` */
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
      nodeCommand("import", "let many users register, or give them new passwords")
        .argument("<file>", "a line user:password each, as chpasswd takes it; - for standard input")
        .option("--ha1", "the lines are user:H(A1) by MD5, in hexadecimal; the realm is the domain")
        .addHelpText("after", IMPORT)
        .action(async (...given: Parameters<typeof importUsers>) =>
          (await import("./import.ts")).importUsers(...given),
        ),
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
