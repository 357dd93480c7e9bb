import type { Command } from "commander";
import { suggestion } from "../../../runtime/did-you-mean.ts";
import type { NodeOptions } from "../../find-node.ts";
import { changeOptions, nodeCommand, withParent } from "../../find-node.ts";

const WHO = "its name, number or peer id";
const TAKES_CHANGES =
  "\nTo be asked of the node of the steward, which makes the rosters (aorta roster shows which it is).";

/** `aorta roster [add|remove|replace|steward]` */
export function rosterCommand(): Command {
  const command = nodeCommand("roster", "show the signed list of the domain's servers, or change it")
    .enablePositionalOptions()
    // What is no command below it would otherwise be an argument too many, though it is most often a slip.
    .allowExcessArguments()
    .action(async (options: NodeOptions, { args: [unknown] }: Command) => {
      if (unknown !== undefined) refuseCommand(command, unknown);
      await (await import("./handler.ts")).showRoster(options);
    });
  const add = nodeCommand("add", "print a token that lets one server join; or let one that has joined hold replicas")
    .argument("[server]", `a server that has joined: ${WHO}`)
    .option("--ttl <duration>", "how long the token is good for", "1h")
    .option("--steward", "give the new server a copy of the domain's key, as a spare")
    .addHelpText("after", ADD + TAKES_CHANGES);
  const remove = nodeCommand("remove", "take servers out of the domain")
    .alias("rm")
    .argument("<server...>", WHO)
    .option("--force", "they are switched off for good: wait for nothing but their leases")
    .addHelpText("after", REMOVE + TAKES_CHANGES);
  const replace = nodeCommand("replace", "take a server out and let another hold replicas in its place, by one change")
    .argument("<old>", WHO)
    .argument("<new>", `a server that has joined and holds no replicas: ${WHO}`)
    .addHelpText("after", TAKES_CHANGES);
  const steward = nodeCommand("steward", "let another server make the rosters, and invite others")
    .argument("<server>", `a server that joined by a token of invite --steward: ${WHO}`)
    .option("--seize", "take the role, because the steward is switched off for good; on the server that takes it")
    .option("--gone <server...>", "with --seize: other servers that are switched off for good, and cannot be asked")
    .addHelpText("after", STEWARD);
  for (const change of [add, remove, replace]) command.addCommand(changeOptions(change));
  command.addCommand(steward);
  add.action(async (server: string | undefined) => (await import("./handler.ts")).add(server, withParent(add)));
  remove.action(async (servers: string[]) => (await import("./handler.ts")).remove(servers, withParent(remove)));
  replace.action(async (old: string, by: string) =>
    (await import("./handler.ts")).replace(old, by, withParent(replace)),
  );
  steward.action(async (server: string) => (await import("./handler.ts")).steward(server, withParent(steward)));
  return command;
}

function refuseCommand(command: Command, unknown: string): never {
  const known = command.commands.map((sub) => sub.name());
  return command.error(`error: unknown command '${unknown}'${suggestion(unknown, known)}`);
}

const ADD = `
Servers that have joined hold replicas by themselves, up to the number that aorta up --voters gives the steward.`;

const REMOVE = `
A server that is up lets go of its users, so that they can register elsewhere at once, and its node ends. One that is down is
waited for as long as its leases may last. When it comes back it is told that it was taken out.

--force is for servers that will never come back, where the others cannot change their number without them: as one of
two, or two of three. What must be true: they are switched off, or cut off from all clients and other servers. Were they
to go on, a user could be served there and here at the same time. Name all of them in one command.`;

const STEWARD = `
aorta roster steward <server> is asked of the present steward's node.

--seize is asked of the node of the server that takes the role. What must be true: the steward is switched off for good. The
voters are asked to take no roster from it any more, so one that is alive after all can change nothing; but servers that
it admits at that moment may have to join again. When it comes back it finds that it is the steward no longer.
Tokens that it has given out are void; make new ones.`;
