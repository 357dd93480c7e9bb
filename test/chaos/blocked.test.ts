import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { BindingView } from "../../node/admin/node-view.ts";
import { AdminClient } from "../../node/cli/admin-client.ts";
import { Softphone } from "../../node/softphone/softphone.ts";
import { readJournal } from "../../sim/chaos/journal.ts";
import { aorOf } from "../../sim/chaos/person.ts";
import type { Place } from "../../sim/chaos/plan.ts";
import { Swarm } from "../../sim/chaos/swarm.ts";
import { eventually } from "../helpers/eventually.ts";

const leaseMs = 2_000;

describe("a server whose event loop stands still for longer than its lease", function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), "aorta-blocked-"));
  const swarm = new Swarm({ servers: 3, leaseMs, folder, watched: [], clockRateAt: () => 1 });
  const phones: Softphone[] = [];

  const phone = async (user: string, place: Place) => {
    const server = { transport: "UDP", host: "127.0.0.1", port: swarm.portsOf(place).sip } as const;
    const opened = await Softphone.open({ aor: aorOf(user), server });
    phones.push(opened);
    return opened;
  };
  const ownedAt = async (place: Place) => {
    const admin = new AdminClient({ socketPath: join(folder, `s${place}`, "admin.sock") });
    const { bindings } = await admin.call<{ bindings: BindingView[] }>("GET", "/v1/bindings");
    return bindings.map(({ aor }) => aor);
  };

  before(() => swarm.start());
  after(async () => {
    await Promise.all(phones.map((opened) => opened.vanish()));
    await swarm.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("serves none of the users that it no longer owns: what waits in its sockets goes to their new server", async () => {
    const [old, bob] = [await phone("alice", 2), await phone("bob", 2)];
    expect((await old.register()).status).to.equal(200);
    expect((await bob.register()).status).to.equal(200);
    expect(await ownedAt(2)).to.have.members([aorOf("alice"), aorOf("bob")]);
    const received: string[] = [];
    old.onMessage(({ text }) => received.push(`old phone: ${text}`));

    const blocked = swarm.suffer(
      { kind: "block", place: 2, atMs: 0, forMs: 3 * leaseMs },
      new AbortController().signal,
    );
    const moved = await phone("alice", 3);
    moved.onMessage(({ text }) => received.push(`new phone: ${text}`));
    expect((await moved.register()).status).to.equal(200);
    // Server 2 reads it as soon as it can, and for all it has heard alice is with it.
    const sent = bob.sendMessage(aorOf("alice"), "are you there?");
    await blocked;
    expect((await sent).status).to.equal(200);
    expect(received).to.deep.equal(["new phone: are you there?"]);
    expect(await ownedAt(2)).not.to.include(aorOf("alice"));
    expect(await ownedAt(3)).to.include(aorOf("alice"));
    const lost = () => readJournal(join(folder, "s2.jsonl")).find((entry) => entry.kind === "lost" && entry.aor === aorOf("alice")); // prettier-ignore
    await eventually(() => lost() !== undefined, "the loss is written down");
    expect(lost()).to.include({ reason: "expired" });
  });
});
