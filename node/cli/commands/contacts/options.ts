import type { Command } from "commander";
import { nodeCommand, withParent } from "../../find-node.ts";
import type * as handler from "./handler.ts";

const WHO = "alice, alice@example.com or sip:alice@example.com";

/** `aorta contacts [remove]` */
export function contactsCommand(): Command {
  const command = nodeCommand("contacts", "show where a user's devices can be reached, or remove what they registered")
    .enablePositionalOptions()
    .argument("<user>", WHO)
    .addHelpText("after", WHERE)
    .action(async (...given: Parameters<typeof handler.showContacts>) =>
      (await import("./handler.ts")).showContacts(...given),
    );
  const remove = nodeCommand("remove", "remove a contact of a user, or all of them, as if their device had signed off")
    .alias("rm")
    .argument("<user>", WHO)
    .argument("[contact]", "its URI, as aorta contacts shows it; all without it")
    .addHelpText("after", REMOVE + WHERE);
  remove.action(async (user: string, contact: string | undefined) =>
    (await import("./handler.ts")).removeContacts(user, contact, withParent(remove)),
  );
  return command.addCommand(remove);
}

const WHERE = `
To be asked of the node that the user is on; another one says which that is.`;

const REMOVE = `
Who watches the registration is told that it was deactivated, and presence follows. The device may register again: whoever shall not
is taken out with aorta user remove first.`;
