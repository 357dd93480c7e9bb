import type { RosterView } from "../../../admin/node-view.ts";
import { formatDuration } from "../../../config/values.ts";
import type { NodeOptions } from "../../find-node.ts";
import { clientOf } from "../../find-node.ts";
import { paint, print, printJson, table } from "../../terminal.ts";

/** Shows the roster in force at a node. */
export async function showRoster(options: NodeOptions): Promise<void> {
  const roster = await (await clientOf(options)).get<RosterView>("/v1/roster");
  if (options.json) return printJson(roster);
  const stage = roster.joint ? "joint: its voters are being changed" : "stable";
  print(`${paint("strong", roster.domain)}, version ${roster.version}.${roster.revision}, ${stage}`);
  print(`lease term ${formatDuration(roster.leaseMs)}, clock drift allowed ${roster.driftPpm / 10_000} %`);
  print("");
  const rows = roster.servers.map((server) => [
    String(server.number),
    { text: server.name, style: "strong" as const },
    rolesOf(server, roster.joint),
    server.id,
    server.addresses[0] ?? "",
  ]);
  for (const line of table(["", "name", "role", "peer id", "address"], rows)) print(line);
}

function rolesOf(server: RosterView["servers"][number], joint: boolean): string {
  const roles = [
    server.steward && "steward",
    server.voter && "voter",
    joint && server.oldVoter && "old voter",
    server.leaving && "leaving",
  ];
  return roles.filter((role) => role !== false).join(", ");
}
