import type { InviteView, RosterView } from "../../../admin/node-view.ts";
import { formatDuration } from "../../../config/values.ts";
import type { ChangeOptions, NodeClient, NodeOptions } from "../../find-node.ts";
import { clientOf } from "../../find-node.ts";
import { followSteps } from "../../follow-steps.ts";
import { paint, print, printJson, table } from "../../terminal.ts";
import { printInvite } from "../invite/handler.ts";

type Server = RosterView["servers"][number];

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

function rolesOf(server: Server, joint: boolean): string {
  const roles = [
    server.steward && "steward",
    server.voter && "voter",
    joint && server.oldVoter && "old voter",
    server.leaving && "leaving",
    server.gone && "switched off",
  ];
  return roles.filter((role) => role !== false).join(", ");
}

interface AddOptions extends ChangeOptions {
  readonly ttl: string;
  readonly steward?: true;
}

/** A token for a server to come; or a server that is there holds replicas from now on. */
export async function add(server: string | undefined, options: AddOptions): Promise<void> {
  const client = await clientOf(options);
  if (server === undefined) {
    const body = { ttl: options.ttl, steward: options.steward === true };
    return printInvite(await client.post<InviteView>("/v1/invites", body), options);
  }
  await client.post<RosterView>("/v1/roster/promote", { server });
  const roster = await untilChanged(client, options, ({ joint }) => (joint ? "moving replicas" : undefined));
  report(roster, options, `${nameOf(roster, server)} holds replicas.`);
}

/** Servers leave the domain. */
export async function remove(
  servers: readonly string[],
  options: ChangeOptions & { readonly force?: true },
): Promise<void> {
  const client = await clientOf(options);
  const before = await client.get<RosterView>("/v1/roster");
  await client.post("/v1/roster/remove", { servers, force: options.force === true });
  const ids = servers.map((server) => find(before, server)?.id ?? server);
  report(
    await untilChanged(client, options, (roster) => stepOf(roster, ids)),
    options,
    `${servers.map((server) => nameOf(before, server)).join(", ")} taken out of ${before.domain}.`,
  );
}

/** A server leaves, and another holds replicas in its place. */
export async function replace(old: string, by: string, options: ChangeOptions): Promise<void> {
  const client = await clientOf(options);
  const before = await client.get<RosterView>("/v1/roster");
  await client.post("/v1/roster/replace", { old, by });
  const id = find(before, old)?.id ?? old;
  const after = await untilChanged(client, options, (roster) => stepOf(roster, [id]));
  report(
    after,
    options,
    `${nameOf(before, by)} holds replicas, and ${nameOf(before, old)} is taken out of ${before.domain}.`,
  );
}

/** Another server makes the rosters. */
export async function steward(
  server: string,
  options: NodeOptions & { readonly seize?: true; readonly gone?: readonly string[] },
): Promise<void> {
  const client = await clientOf(options);
  const body = { server, seize: options.seize === true, gone: options.gone ?? [] };
  const roster = await client.post<RosterView>("/v1/roster/steward", body);
  report(roster, options, `${nameOf(roster, server)} makes the rosters of ${roster.domain}.`);
}

function untilChanged(
  client: NodeClient,
  { timeout }: ChangeOptions,
  step: (roster: RosterView) => string | undefined,
): Promise<RosterView> {
  return followSteps(() => client.get<RosterView>("/v1/roster"), step, timeout);
}

function report(roster: RosterView, { json }: NodeOptions, done: string): void {
  if (json) printJson(roster);
  else print(`${done} The roster is version ${roster.version}.${roster.revision}.`);
}

/** What is being waited for until the servers are out of the roster; `undefined` when they are. */
function stepOf(roster: RosterView, ids: readonly string[]): string | undefined {
  const left = roster.servers.filter(({ id }) => ids.includes(id));
  const [first] = left;
  if (first === undefined) return undefined;
  if (roster.joint) return "moving replicas to the servers that stay";
  if (first.voter) return `waiting until ${first.name} need hold no replicas`;
  if (!first.up) return `waiting until the leases of ${first.name}, which is down, are over`;
  return `waiting until ${first.name} has let go of its users${first.owned === undefined ? "" : `: ${first.owned} left`}`;
}

function find(roster: RosterView, named: string): Server | undefined {
  return roster.servers.find(({ id, name, number }) => id === named || name === named || String(number) === named);
}

function nameOf(roster: RosterView, named: string): string {
  return find(roster, named)?.name ?? named;
}
