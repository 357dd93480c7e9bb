import type { Command } from "commander";
import { nodeCommand } from "../../find-node.ts";
import type { showPeer } from "./handler.ts";

/** `aorta peer <server>` */
export function peerCommand(): Command {
  return nodeCommand("peer", "show all that a node knows of one server of the domain")
    .argument("<server>", "its name, number or peer id")
    .action(async (...given: Parameters<typeof showPeer>) => (await import("./handler.ts")).showPeer(...given));
}
