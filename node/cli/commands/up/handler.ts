import { relative } from "node:path";
import { setTimeout as startTimeout } from "node:timers";
import { setTimeout } from "node:timers/promises";
import type { AortaNode } from "../../../aorta-node.ts";
import type { NodeStatus } from "../../../admin/node-view.ts";
import type { NodeConfig } from "../../../config/node-config.ts";
import { loadConfig } from "../../../config/node-config.ts";
import type { Flags } from "../../../config/sources.ts";
import { formatSocketAddress } from "../../../config/values.ts";
import { ConfigurationError } from "../../../runtime/errors.ts";
import type { Departed } from "../../../departure.ts";
import { limits } from "../../../runtime/limits.ts";
import { createLogger } from "../../../runtime/logger.ts";
import { exitCode } from "../../exit-code.ts";
import { surviveRejections } from "./survive-rejections.ts";
import { facts, note, paint, print, withProgress } from "../../terminal.ts";

export interface UpOptions {
  readonly flags: Flags;
  readonly file?: string;
  readonly json: boolean;
}

/**
 * Runs a node until SIGINT or SIGTERM, then drains it; a second signal ends the process at once. Without a terminal, SIGHUP makes it
 * read its TLS certificates again.
 */
export async function up({ flags, file, json }: UpOptions): Promise<void> {
  const config = loadConfig({ flags, environment: process.env, ...(file !== undefined && { file }) });
  // Loaded only now: it brings libp2p along, which a mistake in the settings need not wait for.
  const { createAortaNode } = await import("../../../aorta-node.ts");
  const logger = createLogger(config.logLevel);
  outliveReaders(process.stdout, process.stderr);
  passOver("SIGUSR1", "SIGUSR2");
  const node = createAortaNode(config, { logger });
  const stopAsked = signalled();
  const start = withProgress(config.joinToken === undefined ? "starting" : "joining", node.start());
  const isUp = await Promise.race([start.then(() => true), stopAsked.then(() => false)]);
  // Nobody relies on this node yet, and what it has stored is whole at every moment.
  if (!isUp) process.exit(exitCode.interrupted);
  // From now on others rely on it.
  surviveRejections(process, logger);
  // A terminal that is closed sends this signal too: then nobody would be left to stop the node.
  if (!process.stdout.isTTY) process.on("SIGHUP", () => reload(node, config));
  const status = node.view().status();
  if (json) print(JSON.stringify({ ...status, data: config.dataFolder, admin: config.adminSocket }));
  else greet(config, status);
  const departed = await Promise.race([node.departed(), stopAsked.then(() => undefined)]);
  if (departed !== undefined) {
    tellDeparture(departed, status, json);
    // Whoever waits for the end of the drain shall see it.
    await Promise.race([setTimeout(limits.node.farewellMs), stopAsked]);
  }
  const impatience = startTimeout(() => {
    note(`aorta: not drained within ${limits.node.drainMs / 1000} s; ending anyway`);
    process.exit(exitCode.failure);
  }, limits.node.drainMs);
  await withProgress("draining", node.stop());
  clearTimeout(impatience);
  if (!json && departed === undefined) print(`${status.server.name} has let go of its users and stopped.`);
  // Nothing is left to do; what libraries still wait for is of no interest.
  process.exit(departed === undefined || departed.inOrder ? exitCode.ok : exitCode.failure);
}

/** Other commands end with whoever reads what they print. A node does not, nor does it when that goes to a full disk. */
function outliveReaders(...streams: readonly NodeJS.WriteStream[]): void {
  for (const stream of streams) stream.removeAllListeners("error").on("error", () => {});
}

/** Other daemons open their logs anew at these. Without a listener the first has Node open its debugger to every user of the machine, and the second ends the process. */
function passOver(...signals: readonly NodeJS.Signals[]): void {
  for (const signal of signals)
    process.on(signal, () =>
      note(`aorta: ${signal} means nothing to a node; SIGHUP makes it read its certificates again`),
    );
}

/** An operator who has just renewed a certificate must not lose the node over a mistake in it. */
function reload(node: AortaNode, { certificates }: NodeConfig): void {
  if (certificates.length === 0)
    return note("aorta: there is nothing to read again: this node has no TLS certificates");
  try {
    node.reload();
    note("aorta: certificates read again");
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    note(`aorta: ${error.message}; the certificates of before stay in use`);
  }
}

/** Resolves at the first signal; the second is not caught. */
function signalled(): Promise<void> {
  return new Promise((resolve) => {
    const signals = ["SIGINT", "SIGTERM"] as const;
    const first = () => {
      for (const signal of signals) {
        process.off(signal, first);
        process.once(signal, () => process.exit(exitCode.interrupted));
      }
      resolve();
    };
    for (const signal of signals) process.on(signal, first);
  });
}

function tellDeparture({ domain, version, inOrder }: Departed, { server }: NodeStatus, json: boolean): void {
  if (json) print(JSON.stringify({ server, domain, state: inOrder ? "left" : "removed", rosterVersion: version }));
  else if (inOrder) print(`${server.name} has let go of its users and left ${domain}.`);
  if (inOrder) return;
  note(
    `aorta: ${server.name} was taken out of ${domain} (roster version ${version}) and serves nobody any more. ` +
      "To join it anew: aorta invite on the steward, then aorta up --join <token> here",
  );
}

function greet(config: NodeConfig, status: NodeStatus): void {
  const data = relative(process.cwd(), config.dataFolder);
  const choice = data === "aorta-data" ? "" : ` --data ${data.startsWith("..") ? config.dataFolder : `./${data}`}`;
  print(`${paint("strong", status.server.name)} of ${paint("strong", status.domain)} is up.`);
  print("");
  const lines = facts([
    ...status.sip.map((address): [string, string] => ["sip", address]),
    ...status.mesh.map((address): [string, string] => ["mesh", address]),
    ["admin", config.adminSocket],
    ["", config.adminTcp && `http://${formatSocketAddress(config.adminTcp)}`],
    ["data", config.dataFolder],
  ]);
  for (const line of lines) print(line);
  print("");
  print(`Add a user:      aorta user add alice${choice}`);
  if (status.steward) print(`Add a server:    aorta invite${choice}`);
  print(`See the others:  aorta peers${choice}`);
  print("Ctrl-C drains and stops.");
}
