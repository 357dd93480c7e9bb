import type { ContactsView } from "../../../admin/node-view.ts";
import { formatDuration } from "../../../config/values.ts";
import type { NodeOptions } from "../../find-node.ts";
import { clientOf } from "../../find-node.ts";
import type { Cell } from "../../terminal.ts";
import { note, paint, print, printJson, table } from "../../terminal.ts";

/** Lists what a user's devices have registered. */
export async function showContacts(user: string, options: NodeOptions): Promise<void> {
  const shown = await (await clientOf(options)).get<ContactsView>(pathOf(user));
  if (options.json) return printJson(shown);
  const { aor, state, contacts } = shown;
  if (state === "none") return note(`${aor} has no contacts`);
  if (state === "resting")
    note(`${aor} is not served at present: contacts from before, until the user is claimed again`);
  const head = ["contact", "expires in", "flow", "q", "instance", "path", "user agent"];
  for (const line of table(head, contacts.map(rowOf))) print(line);
}

/** Removes one of them, or all. */
export async function removeContacts(user: string, contact: string | undefined, options: NodeOptions): Promise<void> {
  const query = contact === undefined ? "" : `?uri=${encodeURIComponent(contact)}`;
  const client = await clientOf(options);
  const done = await client.delete<{ aor: string; removed: readonly string[] }>(pathOf(user) + query);
  if (options.json) return printJson(done);
  for (const uri of done.removed) print(`${paint("strong", done.aor)} is registered no longer at ${uri}`);
}

const pathOf = (user: string) => `/v1/contacts/${encodeURIComponent(user)}`;

function rowOf(contact: ContactsView["contacts"][number]): Cell[] {
  const { uri, expiresInMs, flow, connected, path, instance, q, userAgent } = contact;
  const row = [uri, formatDuration(expiresInMs), connected ? `${flow}, connected` : flow, String(q)];
  return [...row, instance || "-", path.join(", ") || "-", userAgent || "-"].map(printable);
}

/** What a client sent is not to steer the terminal. */
const printable = (text: string) => text.replaceAll(/\p{Cc}/gu, "�");
