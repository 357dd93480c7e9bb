import type { Command } from "commander";
import { nodeCommand } from "../../find-node.ts";
import type { showStatus } from "./handler.ts";

/** `aorta status` */
export function statusCommand(): Command {
  return nodeCommand("status", "show what a node is and how it is doing").action(
    async (...given: Parameters<typeof showStatus>) => (await import("./handler.ts")).showStatus(...given),
  );
}
