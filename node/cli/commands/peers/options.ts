import type { Command } from "commander";
import { nodeCommand } from "../../find-node.ts";
import type { showPeers } from "./handler.ts";

/** `aorta peers` */
export function peersCommand(): Command {
  return nodeCommand("peers", "list the servers of the domain, and the links of this one to them").action(
    async (...given: Parameters<typeof showPeers>) => (await import("./handler.ts")).showPeers(...given),
  );
}
