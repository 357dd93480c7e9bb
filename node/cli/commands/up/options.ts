import { Command, Option } from "commander";
import type { OptionName } from "../../../config/options.ts";
import { options, optionNames } from "../../../config/options.ts";

/** Flags of `aorta up` as given, by their names without dashes. */
export type GivenFlags = Partial<Record<OptionName, string | string[]>>;

/** `aorta up` */
export function upCommand(): Command {
  const command = new Command("up")
    .description("run a node: found a domain, join one, or go on where it stopped")
    .option("--config <file>", "YAML file with these settings by name; also AORTA_CONFIG")
    .option("--json", "print one line of JSON instead of a summary when the node is up");
  for (const name of optionNames) command.addOption(settingOption(name));
  command.addHelpText("after", HELP);
  return command.action(async (given: Record<string, string | string[]> & { config?: string; json?: true }) => {
    const flags: GivenFlags = {};
    for (const option of command.options) {
      const name = option.name();
      const value = given[option.attributeName()];
      if (isSetting(name) && value !== undefined) flags[name] = value;
    }
    const { up } = await import("./handler.ts");
    await up({ flags, ...(given.config !== undefined && { file: given.config }), json: given.json === true });
  });
}

const HELP = `
Every setting can also be given in the environment (AORTA_ON_CONFLICT) and in the file (on-conflict: …);
a flag goes before the environment, the environment before the file.

  aorta up --domain example.com                 the first server
  aorta invite                                  prints a token for the second
  aorta up --join <token>                       the second, on another machine
  aorta up --join <token> --data ./second --sip 0.0.0.0:5062 --mesh 0.0.0.0:4062
                                                the second, on the same machine`;

function settingOption(name: OptionName): Option {
  const { value, help, list } = options[name];
  const option = new Option(`--${name} <${value}>`, help);
  // Values are checked together with those of the other sources, so that all mistakes are told at once.
  if (list) option.argParser((text: string, before: string[] | undefined) => [...(before ?? []), text]);
  return option;
}

function isSetting(name: string): name is OptionName {
  return Object.hasOwn(options, name);
}
