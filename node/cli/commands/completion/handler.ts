import type { Command, Option } from "commander";

/** Shells that completion is known for. */
export const shells = ["bash", "zsh", "fish"] as const;

/** What can stand at one place of the command line: behind `aorta`, behind `aorta user`, … */
interface Place {
  /** Command words that lead here, `user add`; empty behind `aorta`. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly help: string }[];
  readonly options: readonly {
    readonly name: string;
    readonly help: string;
    readonly value: "none" | "text" | "path";
  }[];
  /** Words that may be given as the argument, when they are known. */
  readonly words: readonly string[];
}

/** A script for the shell that completes the commands and options of `program`. */
export function completionScript(program: Command, shell: (typeof shells)[number]): string {
  const places = placesOf(program, []);
  switch (shell) {
    case "bash":
      return bash(places);
    case "zsh":
      // zsh runs bash's completions.
      return `autoload -Uz bashcompinit && bashcompinit\n${bash(places)}`;
    case "fish":
      return fish(places);
  }
}

function placesOf(command: Command, path: readonly string[]): Place[] {
  const here: Place = {
    path: path.join(" "),
    commands: command.commands.map((sub) => ({ name: sub.name(), help: sub.description() })),
    options: [...command.options.map(optionOf), { name: "--help", help: "show help", value: "none" }],
    words: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
  };
  return [here, ...command.commands.flatMap((sub) => placesOf(sub, [...path, sub.name()]))];
}

function optionOf(option: Option): Place["options"][number] {
  const value = !option.required ? "none" : /folder|file|path/.test(option.flags) ? "path" : "text";
  return { name: option.long ?? option.flags, help: option.description, value };
}

/** For zsh too, where `path` and `words` are the shell's own, and a bare name behind a colon is a modifier. */
function bash(places: readonly Place[]): string {
  const cases = places.map(({ path, commands, options, words }) => {
    const all = [...commands.map(({ name }) => name), ...words, ...options.map(({ name }) => name)];
    return `    "${path}") offered="${all.join(" ")}" ;;`;
  });
  const withPath = new Set(
    places.flatMap(({ options }) => options.filter(({ value }) => value === "path").map(({ name }) => name)),
  );
  const withText = new Set(
    places.flatMap(({ options }) => options.filter(({ value }) => value === "text").map(({ name }) => name)),
  );
  const paths = places.map(({ path }) => `"${path}"`).join("|");
  return `_aorta() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" place="" offered="" word
  case "$previous" in
    ${[...withPath].join("|")}) COMPREPLY=($(compgen -f -- "$current")); return ;;
    ${[...withText].join("|")}) COMPREPLY=(); return ;;
  esac
  for word in "\${COMP_WORDS[@]:1:$((COMP_CWORD-1))}"; do
    case "\${place:+$place }$word" in ${paths}) place="\${place:+$place }$word" ;; esac
  done
  case "$place" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$offered" -- "$current"))
}
complete -F _aorta aorta`;
}

function fish(places: readonly Place[]): string {
  const lines = ["complete -c aorta -f"];
  for (const { path, commands, options, words } of places) {
    const others = places
      .filter((place) => place.path.startsWith(`${path} `) && path !== "")
      .map((place) => place.path.split(" ").at(-1));
    const seen =
      path === ""
        ? "__fish_use_subcommand"
        : path
            .split(" ")
            .map((word) => `__fish_seen_subcommand_from ${word}`)
            .join("; and ");
    const condition = others.length === 0 ? seen : `${seen}; and not __fish_seen_subcommand_from ${others.join(" ")}`;
    const add = (rest: string, help: string) =>
      lines.push(`complete -c aorta -n ${quote(condition)} ${rest} -d ${quote(help)}`);
    for (const { name, help } of commands) add(`-a ${name}`, help);
    for (const word of words) add(`-a ${word}`, "");
    for (const { name, help, value } of options) {
      add(`-l ${name.slice(2)}${value === "none" ? "" : value === "path" ? " -r -F" : " -x"}`, help);
    }
  }
  return lines.join("\n");
}

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
