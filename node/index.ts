/**
 * For programs that run an Aorta node in their own process:
 *
 * ```ts
 * const config = loadConfig({ flags: { domain: "example.com", data: "./data" }, environment: {} });
 * const node = createAortaNode(config);
 * await node.start();
 * ```
 *
 * And for libp2p programs that need only to know who owns a name: {@link aortaDirectory}, a service of their own libp2p node.
 */
export type { Aor } from "../dht-schema/aor.ts";
export { parseAor, tryParseAor } from "../dht-schema/aor.ts";
export type { Epoch } from "../dht-schema/ballot.ts";
export { compareBallots, formatBallot, parseBallot } from "../dht-schema/ballot.ts";
export type { Roster, RosterServer, ServerId } from "../dht-schema/roster.ts";
export type { AortaDirectory, AortaDirectoryComponents, AortaDirectoryInit } from "./aorta-directory.ts";
export { aortaDirectory, directoryKey } from "./aorta-directory.ts";
export type { AortaNode, AortaNodeOptions, OwnershipChange } from "./aorta-node.ts";
export type { Departed } from "./departure.ts";
export { createAortaNode } from "./aorta-node.ts";
export type * from "./admin/node-view.ts";
export type { ConfigInput, NodeConfig } from "./config/node-config.ts";
export type * from "./federation/locator.ts";
export type { Membership } from "./mesh/create-mesh.ts";
export { loadConfig } from "./config/node-config.ts";
export { AortaError, ConfigurationError, OperationalError, ProtocolError } from "./runtime/errors.ts";
export type { Logger } from "./runtime/logger.ts";
