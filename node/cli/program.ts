import { Command } from "commander";
import { version } from "../runtime/version.ts";
import { bindingsCommand } from "./commands/bindings/options.ts";
import { chaosCommand } from "./commands/chaos/options.ts";
import { contactsCommand } from "./commands/contacts/options.ts";
import { completionCommand } from "./commands/completion/options.ts";
import { drainCommand } from "./commands/drain/options.ts";
import { historyCommand } from "./commands/history/options.ts";
import { inviteCommand } from "./commands/invite/options.ts";
import { listCommand } from "./commands/list/options.ts";
import { lookupCommand } from "./commands/lookup/options.ts";
import { peerCommand } from "./commands/peer/options.ts";
import { peersCommand } from "./commands/peers/options.ts";
import { rosterCommand } from "./commands/roster/options.ts";
import { statusCommand } from "./commands/status/options.ts";
import { upCommand } from "./commands/up/options.ts";
import { userCommand } from "./commands/user/options.ts";
import { watchCommand } from "./commands/watch/options.ts";

/** The command line of Aorta. Parsing throws {@link CommanderError} instead of ending the process. */
export function createProgram(): Command {
  const program = new Command("aorta")
    .description("One SIP domain on many presence and IM servers: runs a node, and looks into running ones.")
    .version(version, "--version", "print the release")
    .helpOption("--help", "show help")
    .helpCommand("help [command]", "show help for a command");
  program.addCommand(upCommand());
  program.addCommand(inviteCommand());
  program.addCommand(drainCommand());
  program.addCommand(statusCommand());
  program.addCommand(peersCommand());
  program.addCommand(peerCommand());
  program.addCommand(rosterCommand());
  program.addCommand(lookupCommand());
  program.addCommand(watchCommand());
  program.addCommand(bindingsCommand());
  program.addCommand(contactsCommand());
  program.addCommand(userCommand());
  program.addCommand(historyCommand());
  program.addCommand(chaosCommand());
  program.addCommand(listCommand());
  program.addCommand(completionCommand(program));
  for (const command of everyCommand(program)) {
    command
      .exitOverride()
      .showSuggestionAfterError()
      .helpOption("--help", "show help")
      .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "aorta: ")) });
  }
  return program;
}

/** The command and all below it. */
export function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}
