import type { BindingView } from "../../../admin/node-view.ts";
import { formatDuration } from "../../../config/values.ts";
import type { NodeOptions } from "../../find-node.ts";
import { clientOf } from "../../find-node.ts";
import { note, print, printJson, table, withProgress } from "../../terminal.ts";

interface BindingsOptions extends NodeOptions {
  readonly limit: number;
}

/** Lists the users that a node owns at this instant. */
export async function showBindings(options: BindingsOptions): Promise<void> {
  const asked = (await clientOf(options)).get<{ all: number; bindings: readonly BindingView[] }>(
    `/v1/bindings?limit=${options.limit}`,
  );
  const { all, bindings } = await withProgress("reading bindings", asked);
  if (options.json) return printJson({ all, bindings });
  const rows = bindings.map(({ aor, epoch, ownedForMs, leaseLeftMs }) => [
    aor,
    epoch,
    formatDuration(ownedForMs),
    formatDuration(leaseLeftMs),
  ]);
  for (const line of table(["user", "epoch", "here for", "lease left"], rows)) print(line);
  if (all === 0) note("no users are on this server");
  if (all > bindings.length) note(`${all - bindings.length} more: --limit ${all} shows all`);
}
