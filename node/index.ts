/**
 * For programs that run an Aorta node in their own process:
 *
 * ```ts
 * const config = loadConfig({ flags: { domain: "example.com", data: "./data" }, environment: {} });
 * const node = createAortaNode(config);
 * await node.start();
 * ```
 */
export type { AortaNode, AortaNodeOptions } from "./aorta-node.ts";
export { createAortaNode } from "./aorta-node.ts";
export type * from "./admin/node-view.ts";
export type { ConfigInput, NodeConfig } from "./config/node-config.ts";
export { loadConfig } from "./config/node-config.ts";
export { AortaError, ConfigurationError, OperationalError, ProtocolError } from "./runtime/errors.ts";
export type { Logger } from "./runtime/logger.ts";
