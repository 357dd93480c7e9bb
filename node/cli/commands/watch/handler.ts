import type { WatchEvent } from "../../../admin/node-view.ts";
import { OperationalError } from "../../../runtime/errors.ts";
import { exitCode } from "../../exit-code.ts";
import type { NodeOptions } from "../../find-node.ts";
import { clientOf } from "../../find-node.ts";
import { paint, print } from "../../terminal.ts";

/** Prints a line for each change of a user's owner. @throws {OperationalError} `NODE_STOPPED` */
export async function watchUser(user: string, options: NodeOptions): Promise<void> {
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort());
  process.once("SIGTERM", () => interrupted.abort());
  try {
    const events = (await clientOf(options)).events<WatchEvent>(
      `/v1/watch/${encodeURIComponent(user)}`,
      interrupted.signal,
    );
    for await (const event of events) print(options.json ? JSON.stringify(event) : describe(event));
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
  }
  if (!interrupted.signal.aborted) throw new OperationalError("NODE_STOPPED", "the node has ended the watch");
  process.exitCode = exitCode.interrupted;
}

function describe(event: WatchEvent): string {
  const time = paint("quiet", new Date(event.atMs).toISOString().slice(11, 23));
  switch (event.kind) {
    case "owner":
      return `${time}  on ${paint("strong", event.owner.name)}, epoch ${event.epoch}`;
    case "nobody":
      return `${time}  on no server`;
    case "missed":
      return `${time}  changes may have been missed`;
  }
}
