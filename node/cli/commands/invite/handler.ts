import type { InviteView } from "../../../admin/node-view.ts";
import type { NodeOptions } from "../../find-node.ts";
import { clientOf } from "../../find-node.ts";
import { note, print, printJson } from "../../terminal.ts";

interface InviteOptions extends NodeOptions {
  readonly ttl: string;
  readonly steward?: true;
}

/** Prints a token alone on standard output, so that a script can take it; what to do with it goes to standard error. */
export async function invite(options: InviteOptions): Promise<void> {
  const body = { ttl: options.ttl, steward: options.steward === true };
  printInvite(await (await clientOf(options)).post<InviteView>("/v1/invites", body), options);
}

/** A token as people and programs take it. */
export function printInvite(made: InviteView, options: NodeOptions): void {
  if (options.json) return printJson(made);
  print(made.token);
  if (process.stdout.isTTY) {
    note(`On the new server, until ${new Date(made.expiresAtMs).toLocaleString()}: aorta up --join <this token>`);
  }
}
