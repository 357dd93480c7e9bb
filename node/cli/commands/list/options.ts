import { Command } from "commander";
import { nodeCommand } from "../../find-node.ts";
import type { putList, removeList, showLists } from "./handler.ts";

const LIST = "address of the list, such as alice-friends";

/** `aorta list put|remove|show` */
export function listCommand(): Command {
  return new Command("list")
    .description("manage the buddy lists of the domain, at any running node: one address that stands for several users")
    .addCommand(
      nodeCommand("put", "make a list, or give it other members")
        .argument("<list>", LIST)
        .argument("<member...>", "users, or other lists, in order")
        .requiredOption("--owner <user>", "who may subscribe to it")
        .action(async (...given: Parameters<typeof putList>) => (await import("./handler.ts")).putList(...given)),
    )
    .addCommand(
      nodeCommand("remove", "remove a list; who is subscribed to it learns so at the next refresh")
        .alias("rm")
        .argument("<list>", LIST)
        .action(async (...given: Parameters<typeof removeList>) => (await import("./handler.ts")).removeList(...given)),
    )
    .addCommand(
      nodeCommand("show", "show all lists").action(async (...given: Parameters<typeof showLists>) =>
        (await import("./handler.ts")).showLists(...given),
      ),
    );
}
