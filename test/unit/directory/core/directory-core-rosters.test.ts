import { expect } from "chai";
import type { Aor } from "../../../../dht-schema/aor.ts";
import { parseAor } from "../../../../dht-schema/aor.ts";
import type { Ballot } from "../../../../dht-schema/ballot.ts";
import { compareBallots } from "../../../../dht-schema/ballot.ts";
import type { Roster } from "../../../../dht-schema/roster.ts";
import { CoreNetwork } from "../../../helpers/core-network.ts";
import { jointAfter, numbersTo, stableAfter, testRoster, testServer } from "../../../helpers/rosters.ts";

const ALICE = parseAor("sip:alice@example.com");
const BOB = parseAor("sip:bob@example.com");
const users = numbersTo(20).map((number) => parseAor(`sip:user${number}@example.com`));

const losses = (net: CoreNetwork, number: number) => net.events(number).filter(({ kind }) => kind === "lost").length;

/** The founder admits a server, as the mesh does. */
function admit(net: CoreNetwork, number: number): void {
  const before = net.roster(1);
  const servers = [...before.servers, testServer(number)];
  const roster = { ...before, revision: before.revision + 1, servers, lastNumber: number };
  net.install(1, roster);
  net.add(number, roster);
}

describe("a server that learns that it is leaving", () => {
  it("gives up the claims that are under way, so that it owns nobody when it has said so", () => {
    const net = new CoreNetwork({ servers: 3 });
    net.own(2, BOB);
    net.stall(2, 1);
    net.stall(2, 3);
    const ids = [net.startClaim(2, ALICE), net.startClaim(2, ALICE)];
    const before = net.roster(2);
    net.install(2, { ...before, revision: before.revision + 1, leaving: [2] });
    const leaving = { kind: "unavailable", reason: "this server is leaving the domain" };
    expect(ids.map((id) => net.claimResult(2, id))).to.deep.equal([leaving, leaving]);
    net.flow(2, 1);
    net.flow(2, 3);
    net.run(1_000);
    expect([net.owned(2, ALICE), net.owned(2, BOB)]).to.deep.equal([undefined, undefined]);
    expect(net.claim(1, ALICE, "if-free").kind).to.equal("owned");
  });
});

describe("a domain that grows", () => {
  it("makes voters of those who join, and no owner loses anybody meanwhile", () => {
    const net = new CoreNetwork({ servers: 1, steward: 1 });
    const owned = new Map<Aor, Ballot>();
    for (const [index, servers] of [2, 3, 4, 5, 6, 7, 8].entries()) {
      admit(net, servers);
      for (const aor of users.slice(index * 2, index * 2 + 2)) owned.set(aor, net.own(servers, aor));
      net.run(4_000);
      const { voters, oldVoters } = net.roster(1);
      expect([voters, oldVoters]).to.deep.equal([numbersTo(servers), []]);
    }
    net.run(30_000);
    for (const number of numbersTo(8)) {
      expect(net.roster(number).version, `server ${number}`).to.equal(net.roster(1).version);
      expect(losses(net, number), `server ${number}`).to.equal(0);
    }
    for (const [aor, epoch] of owned) expect(net.owned(epoch.member, aor)?.member).to.equal(epoch.member);
  });

  it("goes on growing when a server that is neither old nor new voter is down", () => {
    const net = new CoreNetwork({ servers: 1, steward: 1 });
    admit(net, 2);
    net.crash(2);
    admit(net, 3);
    net.run(15_000);
    expect(net.roster(1)).to.deep.include({ voters: [1, 3], oldVoters: [] });
  });

  it("is brought on by a steward that restarted in the middle of a change", () => {
    const net = new CoreNetwork({ servers: 1, steward: 1 });
    admit(net, 2);
    admit(net, 3);
    net.until("the version is joint", () => net.roster(1).oldVoters.length > 0);
    net.crash(1);
    net.run(5_000);
    net.start(1);
    net.run(30_000);
    expect(net.roster(1)).to.deep.include({ voters: [1, 2, 3], oldVoters: [] });
  });
});

describe("a change of all voters", () => {
  const stable = testRoster(6, { voters: [1, 2, 3] });
  const joint = jointAfter(stable, [4, 5, 6]);

  it("leaves the owner owning when servers learn of it one by one, whatever the order", () => {
    for (const order of [numbersTo(6), numbersTo(6).reverse(), [4, 1, 5, 2, 6, 3]]) {
      const net = new CoreNetwork({ roster: stable });
      net.own(1, ALICE);
      for (const roster of [joint, stableAfter(joint)]) {
        for (const number of order) {
          net.install(number, roster);
          net.run(700);
        }
        net.run(3_000);
      }
      expect(losses(net, 1), order.join()).to.equal(0);
      expect(net.owned(1, ALICE)?.member).to.equal(1);
      net.run(20_000);
      expect(net.owned(1, ALICE)?.member).to.equal(1);
      expect(net.held(5, ALICE)).not.to.equal(undefined);
    }
  });

  it("leaves the owner owning while it moves what it owns to the new voters some at a time", () => {
    const net = new CoreNetwork({ roster: stable, tuning: { movedAtOnce: 1, movePauseMs: 200 } });
    for (const aor of users) net.own(1, aor);
    const owned = () => users.filter((aor) => net.owned(1, aor) !== undefined).length;
    const caughtUp = () => users.filter((aor) => net.held(5, aor) !== undefined).length;
    for (const number of numbersTo(6)) net.install(number, joint);
    expect(owned()).to.equal(users.length);
    net.run(2_000);
    expect(caughtUp()).to.be.within(5, 15);
    expect(owned()).to.equal(users.length);
    net.run(6_000);
    expect(caughtUp()).to.equal(users.length);
    for (const number of numbersTo(6)) net.install(number, stableAfter(joint));
    expect(owned()).to.equal(users.length);
    net.run(30_000);
    expect([owned(), losses(net, 1)]).to.deep.equal([users.length, 0]);
  });

  it("moves what is needed before its turn: it is let go of, handed over and claimed again as if all had been moved", () => {
    const net = new CoreNetwork({ roster: stable, tuning: { movedAtOnce: 1, movePauseMs: 2_000 } });
    for (const aor of users) net.own(1, aor);
    const [released, taken, kept] = users.slice(-3) as [Aor, Aor, Aor];
    for (const number of numbersTo(6)) net.install(number, joint);
    net.release(1, released);
    expect(net.claim(2, released, "if-free").kind).to.equal("owned");
    expect(net.claim(3, taken, "take-over").kind).to.equal("owned");
    expect(net.claim(1, kept, "take-over").kind).to.equal("owned");
    expect([released, taken, kept].map((aor) => net.held(5, aor)?.member)).to.deep.equal([2, 3, 1]);
    expect([net.owned(1, released), net.owned(1, taken)]).to.deep.equal([undefined, undefined]);
    expect(net.held(5, users[1] as Aor), "not its turn").to.equal(undefined);
  });

  it("moves nothing before its turn because another has been caught up: each would move the next, a million in one call", () => {
    const tuning = { movedAtOnce: 1, movePauseMs: 60_000, catchUpWindow: 1 };
    const before = testRoster(4, { voters: [1, 2, 3] });
    const between = jointAfter(before, [1, 2, 4]);
    const net = new CoreNetwork({ roster: before, tuning });
    for (const aor of users) net.own(1, aor);
    net.run(100);
    for (const roster of [between, stableAfter(between)])
      for (const number of numbersTo(4)) net.install(number, roster);
    net.run(2_000);
    expect(users.filter((aor) => net.held(4, aor) !== undefined)).to.have.lengthOf.below(4);
    expect(users.filter((aor) => net.owned(1, aor) !== undefined)).to.have.length(users.length);
  });

  it("is no quicker for a watcher one of whose leases runs out meanwhile, who hears of all moves when it is over", () => {
    const net = new CoreNetwork({ roster: stable, tuning: { movedAtOnce: 1, movePauseMs: 2_000 } });
    for (const aor of users) net.own(1, aor);
    for (const aor of users) net.watch(6, aor);
    net.run(1_000);
    net.cut(6, 3);
    for (const number of numbersTo(6)) net.install(number, joint);
    net.takeTrace();
    net.run(15_000);
    const moved = net.takeTrace().filter(({ from, to, message }) => from === 6 && to === 5 && message.type === "watch");
    expect(moved.length).to.be.within(1, 10);
    net.heal(6, 3);
    net.run(40_000);
    const epochs = users.map((aor) => net.own(2, aor));
    net.run(1_000);
    const told = users.map((aor) => net.told(6, aor).at(-1));
    expect(told).to.deep.equal(epochs.map((epoch) => ({ kind: "owner", epoch })));
  });

  it("ends, as far as the owner is concerned, when the last is moved: by the next version all are", () => {
    const net = new CoreNetwork({ roster: stable, tuning: { movedAtOnce: 1, movePauseMs: 60_000 } });
    for (const aor of users) net.own(1, aor);
    net.run(100);
    for (const number of numbersTo(6)) net.install(number, joint);
    // What only the old voters have accepted stands for the rest of a term, and no longer.
    net.run(5_000);
    expect(users.filter((aor) => net.owned(1, aor) !== undefined)).to.have.length(users.length);
    net.run(6_000);
    expect(users.filter((aor) => net.owned(1, aor) !== undefined)).to.have.length(1);
    for (const number of numbersTo(6)) net.install(number, stableAfter(joint));
    expect(losses(net, 1)).to.equal(users.length - 1);
  });

  it("needs majorities of both groups while it is joint, and of the new alone afterwards", () => {
    const net = new CoreNetwork({ roster: stable });
    for (const number of numbersTo(6)) net.install(number, joint);
    net.crash(5);
    net.crash(6);
    expect(net.claim(1, ALICE, "take-over", 1_000).kind).to.equal("unavailable");
    net.start(5);
    net.crash(2);
    net.crash(3);
    expect(net.claim(1, ALICE, "take-over", 1_000).kind).to.equal("unavailable");
    for (const number of [1, 4, 5]) net.install(number, stableAfter(joint));
    expect(net.claim(1, ALICE, "take-over", 15_000).kind).to.equal("owned");
  });

  it("does not let a claim end under the version in which it began", () => {
    const net = new CoreNetwork({ roster: stable, delayMs: 10 });
    const id = net.startClaim(1, ALICE);
    net.run(15);
    for (const number of numbersTo(6)) net.install(number, joint);
    net.until("the claim has ended", () => net.claimResult(1, id) !== undefined);
    const result = net.claimResult(1, id);
    expect(result).to.deep.include({ kind: "owned" });
    expect((result as { epoch: Ballot }).epoch.version).to.equal(joint.version);
  });

  it("makes every later epoch greater, however small its counter", () => {
    const net = new CoreNetwork({ roster: stable });
    for (let i = 0; i < 10; i++) net.own((i % 3) + 1, ALICE);
    const before = net.own(1, ALICE);
    for (const roster of [joint, stableAfter(joint)]) {
      for (const number of numbersTo(6)) net.install(number, roster);
      net.run(2_000);
    }
    const after = net.own(6, ALICE);
    expect(compareBallots(after, before)).to.be.above(0);
  });
});

describe("messages across a change of the roster", () => {
  const stable = testRoster(4, { voters: [1, 2, 3] });
  const joint = jointAfter(stable, [1, 2, 3, 4]);
  const types = (net: CoreNetwork, from: number, to: number) =>
    net.takeTrace().flatMap((sent) => (sent.from === from && sent.to === to ? [sent.message.type] : []));

  it("of a server that is ahead wait for its roster, and are answered then", () => {
    const net = new CoreNetwork({ roster: stable });
    for (const number of [1, 3, 4]) net.install(number, joint);
    const id = net.startClaim(4, ALICE);
    net.run(20);
    expect(types(net, 2, 4), "server 2 does not know what they mean").to.deep.equal([]);
    net.install(2, joint);
    net.run(20);
    expect(types(net, 2, 4)).to.include("accepted");
    expect(net.claimResult(4, id)?.kind).to.equal("owned");
  });

  it("of a server that is ahead are kept in bounds: what is more is lost, and asked again", () => {
    const net = new CoreNetwork({ roster: stable, tuning: { heldMessages: 6 } });
    for (const number of [1, 3, 4]) net.install(number, joint);
    for (const aor of users) net.startClaim(4, aor);
    net.run(5);
    net.takeTrace();
    net.install(2, joint);
    net.run(2);
    const answered = types(net, 2, 4).filter((type) => type === "accepted");
    expect(answered.length).to.be.within(1, 6);
    net.run(2_000);
    for (const aor of users) expect(net.owned(4, aor)).not.to.equal(undefined);
  });

  it("of a server that is behind are dropped where they ask for something, until it has caught up", () => {
    const net = new CoreNetwork({ roster: stable });
    const epoch = net.own(1, BOB);
    for (const number of [1, 2, 3]) net.install(number, joint);
    net.run(100);
    net.takeTrace();
    const id = net.startClaim(4, ALICE);
    net.watch(4, BOB);
    net.run(2_000);
    expect([...types(net, 1, 4)], "renew, prepare and watch").to.deep.equal([]);
    expect(net.claimResult(4, id)).to.equal(undefined);
    net.install(4, joint);
    net.run(100);
    expect(net.claimResult(4, id)?.kind).to.equal("owned");
    expect(net.told(4, BOB)).to.deep.equal([{ kind: "owner", epoch }]);
  });

  it("of a server that is behind are taken where they answer, hand over or let go", () => {
    const net = new CoreNetwork({ roster: stable });
    net.own(4, ALICE);
    net.run(100);
    for (const number of [1, 2, 3]) net.install(number, joint);
    net.run(100);
    // Server 4 is behind. It is asked to hand over by a server that is ahead, so it has to learn the roster first.
    const id = net.startClaim(1, ALICE);
    net.run(100);
    expect(net.claimResult(1, id)).to.equal(undefined);
    net.release(4, ALICE);
    net.run(1_000);
    expect(net.claimResult(1, id)?.kind, "its release is heard").to.equal("owned");
  });

  it("an older roster, or the same again, changes nothing", () => {
    const net = new CoreNetwork({ roster: stable });
    const install = (roster: Roster) => net.act(1, (core, nowMs) => core.installRoster(nowMs, roster));
    install(joint);
    install(stable);
    install(joint);
    expect(net.act(1, (core) => core.roster)).to.deep.equal(joint);
  });
});

describe("a server that does not hear of a change", () => {
  it("owns no longer than its leases once a majority of the old voters know it", () => {
    const stable = testRoster(6, { voters: [1, 2, 3] });
    const joint = jointAfter(stable, [4, 5, 6]);
    const net = new CoreNetwork({ roster: stable });
    net.own(1, ALICE);
    net.run(1_000);
    for (const number of [2, 3, 4, 5, 6]) net.install(number, joint);
    net.run(8_700);
    expect(net.owned(1, ALICE)).not.to.equal(undefined);
    net.run(200);
    expect(net.owned(1, ALICE), "the old voters take no renewals of it any more").to.equal(undefined);
  });
});
