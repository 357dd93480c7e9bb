import { Argument, Command } from "commander";
import { print } from "../../terminal.ts";
import { completionScript, shells } from "./handler.ts";

/** `aorta completion bash|zsh|fish` */
export function completionCommand(program: Command): Command {
  return new Command("completion")
    .description("print a script that completes commands and options in a shell")
    .addArgument(new Argument("<shell>").choices(shells))
    .addHelpText("after", HELP)
    .action((shell: (typeof shells)[number]) => print(completionScript(program, shell)));
}

const HELP = `
  bash:  eval "$(aorta completion bash)"                in ~/.bashrc
  zsh:   eval "$(aorta completion zsh)"                 in ~/.zshrc, after compinit
  fish:  aorta completion fish | source                 in ~/.config/fish/config.fish`;
