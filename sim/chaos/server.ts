// A server under chaos, in a process of its own: the node as it ships, on a mesh transport that its parent can cut, with a
// journal of what it owns. Arguments: one ServerInit in JSON.
import type { Aor } from "../../dht-schema/aor.ts";
import { parseAor } from "../../dht-schema/aor.ts";
import { formatBallot } from "../../dht-schema/ballot.ts";
import type { OwnershipChange } from "../../node/aorta-node.ts";
import { createAortaNode } from "../../node/aorta-node.ts";
import type { NodeView } from "../../node/admin/node-view.ts";
import { loadConfig } from "../../node/config/node-config.ts";
import type { Clock, MonotonicMs } from "../../node/runtime/clock.ts";
import { systemClock } from "../../node/runtime/clock.ts";
import type { Direction } from "./cut-transport.ts";
import { Cuts, cuttableTcp } from "./cut-transport.ts";
import { JournalWriter, machineMs } from "./journal.ts";

/** How a server under chaos is started. */
export interface ServerInit {
  /** As for `aorta up`. */
  readonly flags: Readonly<Record<string, string>>;
  readonly meshPort: number;
  readonly journal: string;
  /** Users whose owner it watches. */
  readonly watched: readonly string[];
  /** Milliseconds of its clock for each that passes; anything but 1 breaks what the promises rest on. */
  readonly clockRate: number;
  readonly cuts: readonly Direction[];
}

/** What the parent tells a running server. */
export type ServerOrder =
  | { readonly kind: "cuts"; readonly cuts: readonly Direction[] }
  /** Keep the event loop busy, so that nothing else happens in this process. */
  | { readonly kind: "block"; readonly forMs: number };

/** How often what it owns is written down, and a standstill of the event loop noticed, ms. */
const SAMPLE_MS = 100;

const init = JSON.parse(process.argv[2] as string) as ServerInit;
const journal = new JournalWriter(init.journal);
const cuts = new Cuts();
cuts.set(init.cuts);
const node = createAortaNode(loadConfig({ flags: init.flags, environment: {} }), {
  meshTransport: cuttableTcp(init.meshPort, cuts),
  clock: init.clockRate === 1 ? systemClock : clockAt(init.clockRate),
  onOwnership: note,
});

process.on("message", (order: ServerOrder) => {
  if (order.kind === "cuts") cuts.set(order.cuts);
  else block(order.forMs);
});
// Whoever started it is gone: nobody would ever stop it.
process.on("disconnect", () => process.exit(1));
process.on("SIGTERM", () => void node.stop().then(() => process.exit(0)));

await node.start().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
const view = node.view();
const { server, boot } = view.status();
journal.write({ kind: "up", atMs: machineMs(), number: server.number, boot });
for (const user of init.watched) follow(view, parseAor(user));
sample(view);
process.send?.({ kind: "up" });

function note(change: OwnershipChange): void {
  const { aor } = change;
  const what = { atMs: machineMs(), aor, epoch: formatBallot(change.epoch) };
  if (change.kind === "won") {
    const askedAtMs = what.atMs - change.tookMs / init.clockRate;
    journal.write({ kind: "won", ...what, askedAtMs });
  }
  if (change.kind === "lost") journal.write({ kind: "lost", ...what, reason: change.reason });
}

function follow(nodeView: NodeView, aor: Aor): void {
  nodeView.watch(aor, (event) => {
    const epoch = event.kind === "owner" ? { epoch: event.epoch } : {};
    journal.write({ kind: "told", atMs: machineMs(), aor, state: event.kind, ...epoch });
  });
}

function sample(nodeView: NodeView): void {
  let lastMs = machineMs();
  setInterval(() => {
    const atMs = machineMs();
    if (atMs - lastMs > 5 * SAMPLE_MS) journal.write({ kind: "stood-still", atMs, forMs: atMs - lastMs });
    lastMs = atMs;
    for (const { aor, epoch, leaseLeftMs } of nodeView.bindings()) {
      journal.write({ kind: "owns", atMs, aor, epoch, untilMs: atMs + leaseLeftMs / init.clockRate });
    }
  }, SAMPLE_MS);
}

function clockAt(rate: number): Clock {
  const startMs = systemClock.monotonicMs();
  return {
    monotonicMs: () => (startMs + (systemClock.monotonicMs() - startMs) * rate) as MonotonicMs,
    wallMs: () => systemClock.wallMs(),
  };
}

function block(forMs: number): void {
  const untilMs = machineMs() + forMs;
  while (machineMs() < untilMs);
}
