import type { NodeStatus } from "../../../admin/node-view.ts";
import { formatDuration } from "../../../config/values.ts";
import { limits } from "../../../runtime/limits.ts";
import { exitCode } from "../../exit-code.ts";
import type { NodeOptions } from "../../find-node.ts";
import { clientOf } from "../../find-node.ts";
import type { Cell } from "../../terminal.ts";
import { facts, paint, print, printJson, table } from "../../terminal.ts";

const OLD_DATA =
  "older than what other servers have seen of it: put back from a backup. It takes no part; take it out of the roster, and let it join anew with an empty data folder";

/** Shows the status of a node; the exit code is 1 unless it is running and takes part, so that it serves as a health check. */
export async function showStatus(options: NodeOptions): Promise<void> {
  const status = await (await clientOf(options)).get<NodeStatus>("/v1/status");
  if (status.state !== "running" || status.oldData) process.exitCode = exitCode.failure;
  if (options.json) return printJson(status);
  const { server, roster, peers, registrar, presence, held, history, replica, memory, room } = status;
  const sinceMs = Math.max(Date.now() - status.startedAtMs, 0);
  print(
    `${paint("strong", server.name)} of ${paint("strong", status.domain)} is ${status.state}, for ${formatDuration(sinceMs)}`,
  );
  print("");
  const lines = facts([
    ["server", `${server.number}, ${server.id}${status.steward ? ", steward" : ""}`],
    ["software", `${status.software}, start ${status.boot}`],
    ["peers", { text: `${peers.up} of ${peers.all} up`, style: peers.up === peers.all ? "good" : "bad" }],
    ["roster", `${roster.version}.${roster.revision}: ${roster.servers} servers, ${roster.voters} of them voters`],
    [
      "forked",
      roster.forks.length === 0
        ? undefined
        : {
            text: `${roster.forks.map(({ name }) => name).join(", ")}: another roster ${roster.version}.${roster.revision}, also signed; see aorta roster steward --help`,
            style: "bad",
          },
    ],
    ["lease term", formatDuration(status.leaseMs)],
    ["users here", `${status.owned}, with ${registrar.contacts} contacts and ${presence.publications} publications`],
    ["claiming back", registrar.reclaiming > 0 ? `${registrar.reclaiming} users with contacts from before` : undefined],
    ...historyFacts(history),
    ["messages held", held.messages > 0 ? `${held.messages}, for ${held.recipients} users` : undefined],
    ["room for", `${room.users} users with contacts, ${room.subscriptions} subscriptions`],
    ["subscriptions", `${presence.watchers} of clients, ${presence.peerSubscriptions} of other servers`],
    ["replica of", `${replica.registers} users, for ${replica.sessions} servers, with ${replica.watches} watches`],
    ["data", status.oldData && { text: OLD_DATA, style: "bad" }],
    ["storage", status.storageProblem && { text: status.storageProblem.message, style: "bad" }],
    ["certificate", certificateFact(status.certificateExpiresAtMs)],
    ["memory", `${Math.round(memory.rssBytes / 1e6)} MB, heap ${Math.round(memory.heapBytes / 1e6)} MB`],
    ...status.sip.map((address): [string, string] => ["sip", address]),
    ...status.mesh.map((address): [string, string] => ["mesh", address]),
  ]);
  for (const line of lines) print(line);
  const counters = Object.entries(status.counters).map(([name, count]) => [name, String(count)]);
  if (counters.length > 0) print("");
  for (const line of table(["event", "times"], counters)) print(line);
}

function certificateFact(expiresAtMs: number | undefined): Cell | undefined {
  if (expiresAtMs === undefined) return undefined;
  const leftMs = expiresAtMs - Date.now();
  const day = new Date(expiresAtMs).toISOString().slice(0, 10);
  if (leftMs <= 0) return { text: `has expired on ${day}: clients refuse it`, style: "bad" };
  return { text: `good until ${day}`, style: leftMs < limits.sip.certificateWarningMs ? "bad" : "good" };
}

function historyFacts({
  off,
  size,
  fullSinceMs,
  takingOver,
  failing,
}: NodeStatus["history"]): [string, Cell | undefined][] {
  const since = (atMs: number) => `for ${formatDuration(Math.max(Date.now() - atMs, 0))}`;
  const reach = size?.oldestMs === undefined ? "" : `, back to ${new Date(size.oldestMs).toISOString().slice(0, 10)}`;
  const full =
    fullSinceMs === undefined ? "" : `, full ${since(fullSinceMs)}: the oldest messages make room for new ones`;
  const moved = takingOver ? "; what an earlier release kept is still being moved here" : "";
  const text = size && `${megabytes(size.bytes)} of ${megabytes(size.bytesMax)}${reach}${full}${moved}`;
  return [
    ["history", off ? "off" : text && (full === "" ? text : { text, style: "bad" })],
    [
      "history fails",
      failing && { text: `${since(failing.sinceMs)}, ${failing.lost} messages lost: ${failing.message}`, style: "bad" },
    ],
  ];
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
