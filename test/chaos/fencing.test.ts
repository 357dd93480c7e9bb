import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { ownPorts } from "../../node/demo/ports.ts";
import type { AortaNode } from "../../node/index.ts";
import { createAortaNode, loadConfig } from "../../node/index.ts";
import type { Clock, MonotonicMs } from "../../node/runtime/clock.ts";
import { systemClock } from "../../node/runtime/clock.ts";
import type { SipOutcome } from "../../node/softphone/outcome.ts";
import { Softphone } from "../../node/softphone/softphone.ts";
import { Cuts, cuttableTcp } from "../../sim/chaos/cut-transport.ts";
import { eventually } from "../helpers/eventually.ts";

/** It believes that a lease lasts four times as long as it does. */
const slowClock: Clock = {
  monotonicMs: () => (systemClock.monotonicMs() / 4) as MonotonicMs,
  wallMs: () => systemClock.wallMs(),
};
const alice = "sip:alice@example.com";

describe("a server whose clock runs at a quarter of its speed", function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), "aorta-fencing-"));
  const cuts = new Cuts();
  const nodes: AortaNode[] = [];
  const phones: Softphone[] = [];
  let ports: number[];

  const start = async (index: number, origin: Record<string, string>) => {
    const mesh = ports[index] as number;
    const addresses = { sip: "127.0.0.1:0", mesh: `127.0.0.1:${mesh}`, auth: "none", "log-level": "silent" };
    const flags = { ...addresses, data: join(folder, `${index}`), name: `s${index}`, ...origin };
    const options = { meshTransport: cuttableTcp(mesh, cuts), clock: index === 1 ? slowClock : systemClock };
    const node = createAortaNode(loadConfig({ flags, environment: {} }), options);
    nodes.push(node);
    await node.start();
  };
  const view = (index: number) => (nodes[index] as AortaNode).view();
  const phone = async (user: string, index: number) => {
    const port = Number(view(index).status().sip[0]?.split(":").at(-1));
    const server = { transport: "UDP", host: "127.0.0.1", port } as const;
    const opened = await Softphone.open({ aor: `sip:${user}@example.com`, server });
    phones.push(opened);
    return opened;
  };
  const owns = (index: number) => [...view(index).bindings()].some(({ aor }) => aor === alice);
  const ok = ({ status }: SipOutcome) => expect(status).to.equal(200);

  before(async () => {
    ports = await ownPorts(3);
    await start(0, { domain: "example.com", lease: "1s" });
    for (const index of [1, 2]) {
      await start(index, { join: (await view(0).invite({ ttlMs: 60_000, steward: false })).token });
    }
    const isWhole = (node: AortaNode) => {
      const { roster, peers } = node.view().status();
      return peers.up === 2 && roster.voters === 3 && !node.view().roster().joint;
    };
    await eventually(() => nodes.every(isWhole), "three servers that vote", 20_000);
  });
  after(async () => {
    await Promise.all(phones.map((opened) => opened.vanish()));
    await Promise.all(nodes.map((node) => node.stop()));
    rmSync(folder, { recursive: true, force: true });
  });

  it("believes to own a user whom another server owns; what it says of the user is refused by whoever knows better", async () => {
    const [old, joe] = [await phone("alice", 1), await phone("joe", 0)];
    const seen: (string | undefined)[] = [];
    ok(await old.register());
    ok(await old.publishPresence({ basic: "open", note: "here" }));
    await joe.subscribePresence(alice, ({ presence }) => seen.push(presence?.note));
    await eventually(() => seen.at(-1) === "here", "joe sees alice at her first server");

    // It hears nobody, and all hear it: so it is not asked to hand over, and goes on speaking.
    cuts.set([0, 2].map((from) => [ports[from] as number, ports[1] as number]));
    const moved = await phone("alice", 2);
    // What it says of its lease is heard, late by its clock: a claim needs a moment in which the lease has run out, and a phone tries again after a 503.
    let registered: SipOutcome;
    do registered = await moved.register();
    while (registered.status === 503);
    ok(registered);
    ok(await moved.publishPresence({ basic: "open", note: "moved" }));
    await eventually(() => seen.at(-1) === "moved", "joe sees alice at her second server");
    expect([owns(1), owns(2)], "two believe to own alice").to.deep.equal([true, true]);

    // By its epoch, or because the dialog ended when joe's server heard of the newer owner.
    const refused = () => view(0).status().counters["presence.notify_refused"] ?? 0;
    const before = refused();
    ok(await old.publishPresence({ basic: "open", note: "stale" }));
    await eventually(() => refused() > before, "joe's server refuses the stale NOTIFY");
    expect(owns(1), "still believes to own alice").to.equal(true);

    // joe's server believes the newer epoch for messages too.
    const received: string[] = [];
    old.onMessage(({ text }) => received.push(`old phone: ${text}`));
    moved.onMessage(({ text }) => received.push(`new phone: ${text}`));
    ok(await joe.sendMessage(alice, "hello"));
    expect(received).to.deep.equal(["new phone: hello"]);

    cuts.set([]);
    await eventually(() => !owns(1), "it learns that alice is not its own", 20_000);
    ok(await moved.publishPresence({ basic: "open", note: "well" }));
    await eventually(() => seen.at(-1) === "well", "joe goes on seeing alice");
    expect(seen).not.to.include("stale");
  });
});
