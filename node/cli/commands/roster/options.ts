import type { Command } from "commander";
import { nodeCommand } from "../../find-node.ts";
import { showRoster } from "./handler.ts";

/** `aorta roster` */
export function rosterCommand(): Command {
  return nodeCommand("roster", "show the signed list of the domain's servers").action(showRoster);
}
