import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import type { OwnerChange } from "../../../node/federation/locator.ts";
import { TestDirectories } from "../../helpers/directories.ts";
import { FaultNetwork } from "../../helpers/fault-network.ts";
import { down, up } from "../../helpers/meshes.ts";
import { Inbox } from "../../helpers/next.ts";

const SIZE = 12;
const users = Array.from({ length: 30 }, (_, i) => parseAor(`sip:user${i}@example.com`));
const names = Array.from({ length: SIZE }, (_, i) => String(i + 1));

describe("a swarm of twelve libp2p nodes on a network with faults", function () {
  this.timeout(60_000);
  const network = new FaultNetwork();
  let swarm: TestDirectories;

  before(async () => {
    swarm = await TestDirectories.of(SIZE, {
      leaseMs: 2_000,
      meshOf: (index) => ({ listen: [`/memory/${index + 1}`], transport: network.transport(String(index + 1)) }),
    });
  });

  after(async () => {
    network.heal();
    await swarm.stop();
  });

  it("places users on different replica groups, and claims them all", async () => {
    const outcomes = await Promise.all(
      users.map((aor, i) => swarm.server(i % SIZE).directory.claim(aor, { mode: "if-free" })),
    );
    expect(outcomes.map(({ kind }) => kind)).to.deep.equal(users.map(() => "owned"));
    const groups = await Promise.all(users.map((aor) => swarm.server(0).directory.inspect(aor)));
    for (const answers of groups) expect(answers).to.have.length(5);
    expect(new Set(groups.map((answers) => answers.map(({ name }) => name).join())).size).to.be.above(2);
  });

  it("lets neither side of a split own what the other owns, and lets the majority of a group go on", async () => {
    const minority = names.slice(0, 3);
    const majority = names.slice(3);
    network.split(minority, majority);
    await down(swarm.server(11).mesh, swarm.server(0).mesh.self);
    const takers = await Promise.all(
      users.flatMap((aor) => [
        swarm.server(0).directory.claim(aor, { mode: "take-over" }),
        swarm.server(11).directory.claim(aor, { mode: "take-over" }),
      ]),
    );
    expect(takers.some(({ kind }) => kind === "owned")).to.equal(true);
    for (const aor of users) expect(swarm.ownersOf(aor).length, aor).to.be.at.most(1);
    const owned = users.filter((aor) => swarm.server(11).directory.owned(aor) !== undefined);
    expect(owned.length, "users whose replicas are mostly on the larger side").to.be.above(users.length / 2);
  });

  it("is one again when the split heals: every user can be claimed, and watchers hear of it", async () => {
    network.heal();
    await up(swarm.server(11).mesh, swarm.server(0).mesh.self);
    await swarm.domain.allUp();
    const aor = users[0]!;
    const seen = new Inbox<OwnerChange>();
    const watch = swarm.server(7).directory.watch(aor, seen.push);
    const outcome = await swarm.server(2).directory.claim(aor, { mode: "take-over" });
    expect(outcome.kind).to.equal("owned");
    await seen.first(
      (change) => change.kind === "owner" && change.server === swarm.server(2).directory.self,
      "new owner",
    );
    expect(swarm.ownersOf(aor).map(({ name }) => name)).to.deep.equal(["server-3"]);
    watch.close();
  });

  it("lets go of users that a server cut off one way can no longer renew", async () => {
    const aor = users[1]!;
    const cutOff = swarm.server(4);
    expect((await cutOff.directory.claim(aor, { mode: "take-over" })).kind).to.equal("owned");
    const lost = new Inbox<{ reason: string }>();
    cutOff.directory.onLost(lost.push);
    for (const other of names) if (other !== "5") network.cut("5", other);
    await lost.first(({ reason }) => reason === "expired", "loss of the lease");
    expect(cutOff.directory.owned(aor)).to.equal(undefined);
    const outcome = await swarm.server(8).directory.claim(aor, { mode: "take-over" });
    expect(outcome.kind).to.equal("owned");
    network.heal();
  });
});
