import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import type { DrainView } from "../../../admin/node-view.ts";
import { loadPeerKey } from "../../../mesh/identity.ts";
import { RosterKeeper } from "../../../mesh/roster-keeper.ts";
import { AortaError } from "../../../runtime/errors.ts";
import { silentLogger } from "../../../runtime/logger.ts";
import { DATABASE_NAME, openStorage } from "../../../storage/storage.ts";
import { exitCode } from "../../exit-code.ts";
import type { ChangeOptions, NodeClient } from "../../find-node.ts";
import { clientOf } from "../../find-node.ts";
import { followSteps } from "../../follow-steps.ts";
import { print, printJson } from "../../terminal.ts";

/** What is left of a node that has left: no more is known than the domain that it belonged to. */
type Departed = Pick<DrainView, "domain"> & { readonly state: "left" };

/** Codes of refusals that pass: the steward is not there at the moment. */
const PASSING: ReadonlySet<string> = new Set(["STEWARD_DOWN", "NO_ANSWER", "STEWARD_ALONE", "STALE_ROSTER"]);

/** Takes a node out of its domain, and waits until it is out. */
export async function drain(options: ChangeOptions): Promise<void> {
  const client = await clientOf(options);
  const view = await followSteps(() => look(client, options), stepOf, options.timeout);
  if (view.state !== "left") process.exitCode = exitCode.failure;
  if (options.json) return printJson(view);
  const name = "server" in view ? view.server.name : "this server";
  if (view.state === "left") print(`${name} has left ${view.domain}.`);
  else print(`${name} was taken out of ${view.domain} before it could let go of its users.`);
}

/** Asks until the node is on its way; a node that is down may have left already. */
async function look(client: NodeClient, options: ChangeOptions): Promise<DrainView | Departed> {
  try {
    const view = await client.get<DrainView>("/v1/drain");
    if (view.state !== "staying") return view;
    return await client.post<DrainView>("/v1/drain", {});
  } catch (error) {
    if (!(error instanceof AortaError)) throw error;
    if (PASSING.has(error.code)) return client.get<DrainView>("/v1/drain");
    if (error.code !== "NODE_DOWN" && error.code !== "NODE_STOPPED") throw error;
    const departed = options.admin === undefined ? await departedFrom(resolve(options.data)) : undefined;
    if (departed === undefined) throw error;
    return departed;
  }
}

function stepOf(view: DrainView | Departed): string | undefined {
  if (view.state === "left" || view.state === "removed") return undefined;
  if (view.state === "staying") {
    return view.stewardUp
      ? `waiting until ${view.steward.name} can change the roster`
      : `waiting for ${view.steward.name}, which makes the rosters and cannot be reached`;
  }
  if (view.owned > 0) return `letting go of users: ${view.owned} left`;
  if (view.watchers > 0) return "ending the subscriptions of clients";
  if (!view.stewardUp) return `waiting for ${view.steward.name}, which makes the rosters and cannot be reached`;
  if (view.voter || view.joint) return "waiting until the others keep no replicas here";
  return `waiting until ${view.steward.name} takes ${view.server.name} out of the roster`;
}

/** Looks into the folder of a node that is not running. */
async function departedFrom(folder: string): Promise<Departed | undefined> {
  if (!existsSync(join(folder, DATABASE_NAME))) return undefined;
  const storage = openStorage(folder, { logger: silentLogger });
  try {
    const self = peerIdFromPrivateKey(await loadPeerKey(storage.settings)).toString();
    const keeper = new RosterKeeper(storage.settings, self);
    const hasRoster = await keeper.load();
    return hasRoster && !keeper.isMember ? { domain: keeper.roster.domain, state: "left" } : undefined;
  } finally {
    storage.close();
  }
}
