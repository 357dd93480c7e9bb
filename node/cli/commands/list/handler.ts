import { parseUser } from "../../../admin/parse-user.ts";
import type { RosterView } from "../../../admin/node-view.ts";
import type { ResourceList } from "../../../storage/ports.ts";
import type { NodeOptions } from "../../find-node.ts";
import { clientOf } from "../../find-node.ts";
import { note, print, printJson, table } from "../../terminal.ts";

interface PutOptions extends NodeOptions {
  readonly owner: string;
}

/** Makes or replaces a list. */
export async function putList(uri: string, members: readonly string[], options: PutOptions): Promise<void> {
  const client = await clientOf(options);
  const list = await client.post<ResourceList>("/v1/lists", { uri, owner: options.owner, members });
  if (options.json) printJson(list);
  else {
    const { length } = list.members;
    print(`${list.uri} has ${length} ${length === 1 ? "member" : "members"}; ${list.owner} may subscribe to it.`);
  }
}

/** @throws {AdminRefusal} `NO_SUCH_LIST` */
export async function removeList(uri: string, options: NodeOptions): Promise<void> {
  const client = await clientOf(options);
  const { domain } = await client.get<RosterView>("/v1/roster");
  const aor = parseUser(uri, domain);
  await client.delete(`/v1/lists/${encodeURIComponent(aor)}`);
  if (options.json) printJson({ uri: aor });
  else print(`${aor} is a list no longer.`);
}

/** All lists with their members. */
export async function showLists(options: NodeOptions): Promise<void> {
  const client = await clientOf(options);
  const lists = await client.get<readonly ResourceList[]>("/v1/lists");
  if (options.json) return printJson(lists);
  const rows = lists.map(({ uri, owner, members }) => [uri, owner, members.join(" ")]);
  for (const line of table(["list", "owner", "members"], rows)) print(line);
  if (lists.length === 0) note("no lists");
}
