import type { Command } from "commander";
import { nodeCommand } from "../../find-node.ts";
import type { showRoster } from "./handler.ts";

/** `aorta roster` */
export function rosterCommand(): Command {
  return nodeCommand("roster", "show the signed list of the domain's servers").action(
    async (...given: Parameters<typeof showRoster>) => (await import("./handler.ts")).showRoster(...given),
  );
}
