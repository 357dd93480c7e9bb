import type { LookupView, ReplicaView } from "../../../admin/node-view.ts";
import { formatDuration } from "../../../config/values.ts";
import { exitCode } from "../../exit-code.ts";
import type { NodeOptions } from "../../find-node.ts";
import { clientOf } from "../../find-node.ts";
import type { Cell } from "../../terminal.ts";
import { paint, print, printJson, table, withProgress } from "../../terminal.ts";

const VERDICT_STYLES = { agrees: "good", disagrees: "bad", abstains: "quiet", silent: "bad" } as const;

/** Shows where a user is and who says so; the exit code is 1 when no majority says the same. */
export async function lookUp(user: string, options: NodeOptions): Promise<void> {
  const asked = (await clientOf(options)).get<LookupView>(`/v1/lookup/${encodeURIComponent(user)}`);
  const found = await withProgress(`asking the replicas of ${user}`, asked);
  if (found.state === "unclear") process.exitCode = exitCode.failure;
  if (options.json) return printJson(found);
  print(summarize(found));
  print("");
  for (const line of table(["replica", "says", "epoch", "owner", "for", ""], found.replicas.map(rowOf))) print(line);
}

function summarize({ aor, state, owner, epoch, leaseLeftMs = 0 }: LookupView): string {
  const user = paint("strong", aor);
  if (state === "nobody") return `${user} is on no server`;
  if (state === "unclear") return `${user}: ${paint("bad", "no majority of the replicas says the same")}`;
  const where = `is on ${paint("strong", owner?.name ?? "?")} (${owner?.id})`;
  return `${user} ${where}\nepoch ${epoch}, lease left ${formatDuration(leaseLeftMs)}`;
}

function rowOf({ server, verdict, epoch, owner, validForMs, why }: ReplicaView): Cell[] {
  return [
    server.name,
    { text: verdict, style: VERDICT_STYLES[verdict] },
    epoch ?? "",
    owner?.name ?? "",
    validForMs === undefined ? "" : validForMs > 0 ? formatDuration(validForMs) : "over",
    why ?? "",
  ];
}
