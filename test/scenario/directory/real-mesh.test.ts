import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { parseAor } from "../../../dht-schema/aor.ts";
import { compareBallots } from "../../../dht-schema/ballot.ts";
import { openServerBinding } from "../../../dht-schema/server-binding.ts";
import type { Epoch } from "../../../dht-schema/ballot.ts";
import type { OwnerChange, OwnershipLost } from "../../../node/federation/locator.ts";
import { TestDirectories } from "../../helpers/directories.ts";
import { Inbox } from "../../helpers/next.ts";

const alice = parseAor("sip:alice@example.com");
const zeke = parseAor("sip:zeke@example.com");

describe("the directory on three servers over TCP and Noise", function () {
  this.timeout(30_000);
  let domain: TestDirectories;

  before(async () => {
    domain = await TestDirectories.of(3);
  });

  after(() => domain.stop());

  it("gives a free user to the server that claims it, and tells the others where it is", async () => {
    const [one, two] = domain.servers;
    const outcome = await two!.directory.claim(alice, { mode: "if-free" });
    expect(outcome.kind).to.equal("owned");
    expect(two!.directory.owned(alice)).to.deep.equal((outcome as { epoch: Epoch }).epoch);
    expect(await one!.directory.locate(alice)).to.deep.include({ kind: "server", server: two!.directory.self });
    expect(await two!.directory.locate(alice)).to.deep.include({ kind: "here" });
  });

  it("leaves an owned user alone when asked to claim only what is free", async () => {
    const [one, two] = domain.servers;
    const outcome = await one!.directory.claim(alice, { mode: "if-free" });
    expect(outcome).to.deep.include({ kind: "owned-elsewhere", owner: two!.directory.self });
    expect(two!.directory.owned(alice)).to.not.equal(undefined);
  });

  it("moves a user on a take-over: the old owner stops first, watchers hear of it, epochs grow", async () => {
    const [one, two, three] = domain.servers;
    const before = two!.directory.owned(alice) as Epoch;
    const lost = new Inbox<OwnershipLost>();
    const seen = new Inbox<OwnerChange>();
    two!.directory.onLost(lost.push);
    const watch = one!.directory.watch(alice, seen.push);
    await seen.first((change) => change.kind === "owner" && change.server === two!.directory.self, "present owner");

    const outcome = await three!.directory.claim(alice, { mode: "take-over" });
    expect(outcome).to.deep.include({ kind: "owned", from: two!.directory.self });
    expect(domain.ownersOf(alice).map(({ name }) => name)).to.deep.equal([three!.name]);
    expect(lost.all).to.have.length(1);
    expect(lost.all[0]).to.deep.include({ aor: alice, reason: "handed-over", to: three!.directory.self });
    const told = await seen.first(
      (change) => change.kind === "owner" && change.server === three!.directory.self,
      "new owner",
    );
    expect(compareBallots((told as { epoch: Epoch }).epoch, before)).to.be.above(0);
    expect(two!.directory.forwardingNote(alice)?.server).to.equal(three!.directory.self);
    expect(one!.directory.observeEpoch(alice, before)).to.equal(false);
    watch.close();
  });

  it("frees a user at once on release, and tells the watchers", async () => {
    const [one, , three] = domain.servers;
    const seen = new Inbox<OwnerChange>();
    const watch = one!.directory.watch(alice, seen.push);
    await seen.first((change) => change.kind === "owner", "present owner");
    await three!.directory.release(alice);
    await seen.first((change) => change.kind === "nobody", "nobody");
    expect(await one!.directory.locate(alice)).to.deep.equal({ kind: "nobody" });
    watch.close();
  });

  it("has exactly one owner however many servers claim a user at the same instant", async () => {
    for (let round = 0; round < 50; round++) {
      await Promise.all(domain.servers.map(({ directory }) => directory.claim(zeke, { mode: "take-over" })));
      expect(domain.ownersOf(zeke), `round ${round}`).to.have.length(1);
    }
  });

  it("shows an operator what each replica holds", async () => {
    const owner = domain.ownersOf(zeke)[0]!;
    const answers = await domain.server(0).directory.inspect(zeke);
    expect(answers.map(({ answer }) => answer)).to.deep.equal(["state", "state", "state"]);
    const epoch = owner.directory.owned(zeke);
    const agreeing = answers.filter(
      ({ accepted }) => accepted !== undefined && compareBallots(accepted.epoch, epoch!) === 0,
    );
    expect(agreeing.length).to.be.at.least(2);
  });

  it("signs a binding for whoever asks a replica", async () => {
    const owner = domain.ownersOf(zeke)[0]!;
    const other = domain.servers.find((server) => server !== owner)!;
    const signed = await other.directory.signedBinding(zeke);
    const binding = await openServerBinding(signed!);
    expect(binding).to.deep.include({ aor: zeke, owner: owner.directory.self, epoch: owner.directory.owned(zeke) });
  });

  it("lets a user of a dead server be claimed when its lease has run out, and not before", async () => {
    const [one, two, three] = domain.servers;
    await three!.directory.claim(alice, { mode: "take-over" });
    const seen = new Inbox<OwnerChange>();
    const watch = one!.directory.watch(alice, seen.push);
    await seen.first((change) => change.kind === "owner", "present owner");
    // It goes silent without a word, as a killed process does: its own leases run out at its own clock.
    await three!.mesh.stop();
    const outcome = await two!.directory.claim(alice, { mode: "take-over" });
    expect(outcome.kind).to.equal("owned");
    expect(three!.directory.owned(alice), "the silent server has stopped owning by then").to.equal(undefined);
    await seen.first((change) => change.kind === "owner" && change.server === two!.directory.self, "new owner");
    watch.close();
  });

  it("is let go of by a server with many users some at a time, and then all can be claimed elsewhere", async () => {
    const [one, two] = domain.servers;
    const users = Array.from({ length: 2500 }, (_, index) => parseAor(`sip:many${index}@example.com`));
    const owned = () => users.filter((user) => two!.directory.owned(user) !== undefined).length;
    await Promise.all(users.map((user) => two!.directory.claim(user, { mode: "if-free" })));
    expect(owned()).to.equal(users.length);
    const done = two!.directory.letGo();
    expect(owned()).to.be.within(1, users.length - 1);
    await done;
    expect(owned()).to.equal(0);
    // Until the replicas have heard of it.
    const claimed = async (user: Aor): Promise<void> => {
      while ((await one!.directory.claim(user, { mode: "if-free" })).kind !== "owned");
    };
    await Promise.all(users.map(claimed));
    await one!.directory.letGo();
  });
});
