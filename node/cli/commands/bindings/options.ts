import { InvalidArgumentError } from "commander";
import type { Command } from "commander";
import { limits } from "../../../runtime/limits.ts";
import { nodeCommand } from "../../find-node.ts";
import type { showBindings } from "./handler.ts";

const DEFAULT_LIMIT = 1000;

/** `aorta bindings` */
export function bindingsCommand(): Command {
  return nodeCommand("bindings", "list the users that a node serves")
    .option("--limit <number>", "how many to list", parseLimit, DEFAULT_LIMIT)
    .action(async (...given: Parameters<typeof showBindings>) => (await import("./handler.ts")).showBindings(...given));
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (/^\d+$/.test(text) && limit >= 1 && limit <= limits.admin.bindings) return limit;
  throw new InvalidArgumentError(`Expected a number from 1 to ${limits.admin.bindings}.`);
}
