import { expect } from "chai";
import { parseAor } from "../../../../dht-schema/aor.ts";
import type { Ballot } from "../../../../dht-schema/ballot.ts";
import { compareBallots } from "../../../../dht-schema/ballot.ts";
import type { DirectoryEvent } from "../../../../node/directory/core/context.ts";
import { CoreNetwork } from "../../../helpers/core-network.ts";
import { numbersTo } from "../../../helpers/rosters.ts";

const ALICE = parseAor("sip:alice@example.com");
const BOB = parseAor("sip:bob@example.com");
const LEASE_MS = 10_000;
/** T·(1 + 4ρ) */
const GRACE_MS = 10_400;

const user = (number: number) => parseAor(`sip:user${number}@example.com`);
const lost = (net: CoreNetwork, number: number) =>
  net.events(number).filter((event): event is DirectoryEvent & { kind: "lost" } => event.kind === "lost");
/** How long something takes, virtual ms. */
const took = (net: CoreNetwork, act: () => void) => {
  const beforeMs = net.nowMs;
  act();
  return net.nowMs - beforeMs;
};

describe("claims among servers", () => {
  for (const servers of [1, 2, 3, 4, 5, 6, 7]) {
    it(`are won by whichever of ${servers} claims last, with growing epochs, and found by all`, () => {
      const net = new CoreNetwork({ servers });
      let last: Ballot = { version: 0, counter: 0, member: 0 };
      for (const claimant of [...numbersTo(servers), 1]) {
        const epoch = net.own(claimant, ALICE);
        expect(epoch.member).to.equal(claimant);
        if (servers > 1) expect(compareBallots(epoch, last)).to.be.above(0);
        last = epoch;
        for (const other of numbersTo(servers)) {
          expect(net.lookup(other, ALICE)).to.deep.equal({ kind: "owner", epoch });
          expect(net.owned(other, ALICE)).to.deep.equal(other === claimant ? epoch : undefined);
        }
      }
    });
  }

  it("take one round trip when the AoR is free, and a take-over three", () => {
    const net = new CoreNetwork({ servers: 3, delayMs: 10 });
    expect(took(net, () => net.own(1, ALICE))).to.equal(20);
    expect(took(net, () => net.own(1, BOB))).to.equal(20);
    expect(took(net, () => net.own(2, ALICE))).to.equal(60);
  });

  it("leave the user with a live owner unless they take over", () => {
    const net = new CoreNetwork({ servers: 3 });
    const epoch = net.own(1, ALICE);
    expect(net.claim(2, ALICE, "if-free")).to.deep.equal({ kind: "owned-elsewhere", epoch });
    expect(net.owned(1, ALICE)).to.deep.equal(epoch);
    const taken = net.claim(2, ALICE);
    expect(taken).to.deep.include({ kind: "owned", from: 1 });
    expect(lost(net, 1)).to.deep.equal([
      { kind: "lost", aor: ALICE, epoch, reason: "handed-over", to: (taken as { epoch: Ballot }).epoch },
    ]);
  });

  it("are neither lost nor won while they are under way: who asks is answered at their end", () => {
    const net = new CoreNetwork({ servers: 3, delayMs: 10 });
    for (const server of [1, 2, 3]) net.own(server, user(server));
    const first = net.startClaim(1, ALICE, "if-free");
    net.run(15);
    expect(net.claimResult(1, first), "its replicas have accepted, it has not heard of it").to.equal(undefined);
    const second = net.startClaim(2, ALICE, "if-free");
    net.run(60);
    expect(net.claimResult(1, first)?.kind).to.equal("owned");
    expect(net.claimResult(2, second)).to.deep.include({ kind: "owned-elsewhere" });
  });

  it("are won by one of many that claim at the same instant, and the rest get their turn or learn who has it", () => {
    for (const purpose of ["if-free", "take-over"] as const) {
      const net = new CoreNetwork({ servers: 5 });
      const ids = numbersTo(5).map((number) => net.startClaim(number, ALICE, purpose));
      net.run(3_000);
      const results = ids.map((id, index) => net.claimResult(index + 1, id));
      expect(results.every((result) => result !== undefined)).to.equal(true);
      expect(results.filter((result) => result?.kind === "unavailable")).to.deep.equal([]);
      const owners = numbersTo(5).filter((number) => net.owned(number, ALICE) !== undefined);
      expect(owners).to.have.length(1);
      if (purpose === "if-free") expect(results.filter((result) => result?.kind === "owned")).to.have.length(1);
    }
  });

  it("of a server that owns already end at once with the epoch it has", () => {
    const net = new CoreNetwork({ servers: 3 });
    const epoch = net.own(1, ALICE);
    net.run(1_000);
    net.takeTrace();
    expect(took(net, () => expect(net.claim(1, ALICE)).to.deep.include({ kind: "owned", epoch }))).to.equal(0);
    expect(net.takeTrace()).to.deep.equal([]);
  });

  it("of one AoR by one server go one after the other: the second finds it owned", () => {
    const net = new CoreNetwork({ servers: 3 });
    const first = net.startClaim(1, ALICE);
    const second = net.startClaim(1, ALICE, "if-free");
    net.run(1);
    expect(net.takeTrace().filter(({ message }) => message.type === "prepare")).to.have.length(2);
    net.run(1_000);
    const result = net.claimResult(1, first);
    expect(result?.kind).to.equal("owned");
    expect(net.claimResult(1, second)).to.deep.equal(result);
  });

  it("begin after what had lapsed is lost, so that to release that does not give up what is claimed now", () => {
    const net = new CoreNetwork({ servers: 3, delayMs: 10 });
    const before = net.own(1, ALICE);
    net.isolate(1);
    while (net.owned(1, ALICE) !== undefined) net.run(1);
    expect(lost(net, 1), "it has not been noticed").to.deep.equal([]);
    net.rejoin(1);
    const id = net.startClaim(1, ALICE);
    expect(lost(net, 1)).to.deep.equal([{ kind: "lost", aor: ALICE, epoch: before, reason: "expired", to: undefined }]);
    net.release(1, ALICE);
    net.until("the claim ended", () => net.claimResult(1, id) !== undefined);
    net.run(100);
    const epoch = net.owned(1, ALICE);
    expect(net.claimResult(1, id)).to.deep.include({ kind: "owned", epoch });
    expect(net.claim(2, ALICE, "if-free")).to.deep.equal({ kind: "owned-elsewhere", epoch });
  });

  it("can be cancelled, also while they wait for another", () => {
    const net = new CoreNetwork({ servers: 3 });
    const first = net.startClaim(1, ALICE);
    const second = net.startClaim(1, ALICE);
    net.act(1, (core, nowMs) => core.cancelClaim(nowMs, second, ALICE));
    expect(net.claimResult(1, second)).to.deep.equal({ kind: "unavailable", reason: "cancelled" });
    net.act(1, (core, nowMs) => core.cancelClaim(nowMs, first, ALICE));
    expect(net.claimResult(1, first)).to.deep.equal({ kind: "unavailable", reason: "cancelled" });
    net.act(1, (core, nowMs) => core.cancelClaim(nowMs, 999, ALICE));
    net.run(1_000);
    expect(net.lookup(2, ALICE)).to.deep.equal({ kind: "nobody" });
    expect(net.act(1, (core, nowMs) => core.stats(nowMs).claims)).to.equal(0);
  });

  it("in their thousands at one instant are sent in batches that fit", () => {
    const net = new CoreNetwork({ servers: 3 });
    net.act(1, (core, nowMs) => {
      for (const number of numbersTo(3_000)) core.claim(nowMs, number, user(number), "take-over", nowMs + 5_000);
    });
    net.run(1_000);
    expect(net.act(1, (core, nowMs) => [...core.owners(nowMs)].length)).to.equal(3_000);
    net.act(1, (core, nowMs) => {
      for (const number of numbersTo(3_000)) core.release(nowMs, user(number));
    });
    net.run(1_000);
    expect(net.act(2, (core, nowMs) => [...core.holdings(nowMs)].length)).to.equal(0);
  });
});

describe("an owner that dies", () => {
  it("is ruled out when its leases at the replicas are over, and not before", () => {
    const net = new CoreNetwork({ servers: 3 });
    const epoch = net.own(1, ALICE);
    net.run(5_000);
    net.crash(1);
    expect(net.claim(2, ALICE, "if-free")).to.deep.equal({ kind: "owned-elsewhere", epoch });
    const waitedMs = took(net, () => net.own(2, ALICE));
    expect(waitedMs).to.be.within(LEASE_MS - 2_500 - 500, LEASE_MS + 500);
  });

  it("and starts again does not own, and can claim at once: its earlier life is over", () => {
    const net = new CoreNetwork({ servers: 5 });
    const before = net.own(1, ALICE);
    net.crash(1);
    net.start(1);
    expect(net.owned(1, ALICE)).to.equal(undefined);
    expect(compareBallots(net.own(1, ALICE), before)).to.be.above(0);
  });
});

describe("a server cut off from the others", () => {
  it("can neither claim nor keep, and the majority can once its leases are over", () => {
    const net = new CoreNetwork({ servers: 3 });
    const epoch = net.own(1, ALICE);
    net.run(3_000);
    net.isolate(1);
    expect(net.owned(1, ALICE)).to.deep.equal(epoch);
    const id = net.startClaim(1, BOB, "take-over", 9_000);
    const other = net.startClaim(2, ALICE);
    net.until("the claim of 2 has ended", () => net.claimResult(2, other) !== undefined);
    expect(net.claimResult(2, other)?.kind).to.equal("owned");
    expect(lost(net, 1).map(({ reason }) => reason)).to.deep.equal(["expired"]);
    expect(net.claimResult(1, id)?.kind).to.equal("unavailable");
    net.rejoin(1);
    net.run(3_000);
    expect(net.owned(1, ALICE)).to.equal(undefined);
    expect(net.lookup(1, ALICE)).to.deep.include({ kind: "owner" });
  });

  it("keeps what it owns when the cut is shorter than its leases", () => {
    const net = new CoreNetwork({ servers: 3 });
    const epoch = net.own(1, ALICE);
    for (let i = 0; i < 10; i++) {
      net.isolate(1);
      net.run(5_000);
      net.rejoin(1);
      net.run(1_000);
    }
    expect(net.owned(1, ALICE)).to.deep.equal(epoch);
    expect(lost(net, 1)).to.deep.equal([]);
  });
});

describe("a process that stands still", () => {
  it("owns nothing any more at the instant it goes on, if that is after its leases", () => {
    const net = new CoreNetwork({ servers: 3 });
    net.own(1, ALICE);
    net.run(1_000);
    net.pause(1);
    expect(net.claim(2, ALICE).kind).to.equal("owned");
    expect(net.owned(1, ALICE), "before any timer or message is looked at").to.equal(undefined);
    net.resume(1);
    net.run(5_000);
    expect(lost(net, 1).map(({ reason }) => reason)).to.deep.equal(["expired"]);
    expect(net.owned(2, ALICE)).not.to.equal(undefined);
  });
});

describe("a release", () => {
  it("frees the user for others at once", () => {
    const net = new CoreNetwork({ servers: 3 });
    net.own(1, ALICE);
    net.release(1, ALICE);
    expect(net.owned(1, ALICE)).to.equal(undefined);
    expect(lost(net, 1).map(({ reason }) => reason)).to.deep.equal(["released"]);
    net.release(1, ALICE);
    net.release(1, BOB);
    net.run(10);
    expect(net.lookup(2, ALICE)).to.deep.equal({ kind: "nobody" });
    expect(net.claim(2, ALICE, "if-free").kind).to.equal("owned");
  });

  it("during a re-claim frees the higher ballot that some replicas hold already", () => {
    const net = new CoreNetwork({ servers: 3, delayMs: 5 });
    const epoch = net.own(1, ALICE);
    net.crash(3);
    net.run(100);
    net.start(3);
    net.until("replica 2 holds a higher ballot that is not owned yet", () => {
      const held = net.held(2, ALICE);
      return held !== undefined && compareBallots(held, epoch) > 0;
    });
    expect(net.owned(1, ALICE)).to.deep.equal(epoch);
    net.release(1, ALICE);
    net.run(1_000);
    for (const number of [1, 2, 3]) expect(net.held(number, ALICE), `server ${number}`).to.equal(undefined);
    expect(net.claim(2, ALICE, "if-free").kind).to.equal("owned");
  });

  it("that was lost with the links does not keep the user from being claimed: the owner denies", () => {
    const net = new CoreNetwork({ servers: 3 });
    net.own(1, ALICE);
    net.run(1_000);
    net.isolate(1);
    net.release(1, ALICE);
    net.rejoin(1);
    net.run(30_000);
    expect(net.held(2, ALICE), "held as long as the session of server 1 lives").not.to.equal(undefined);
    expect(net.claim(2, ALICE, "if-free")).to.deep.include({ kind: "owned", from: undefined });
  });

  it("that was lost is made good when the former owner looks the user up itself", () => {
    const net = new CoreNetwork({ servers: 3 });
    net.own(1, ALICE);
    net.run(1_000);
    net.isolate(1);
    net.release(1, ALICE);
    net.rejoin(1);
    net.run(1_000);
    net.lookup(1, ALICE);
    net.run(10);
    expect(net.lookup(2, ALICE)).to.deep.equal({ kind: "nobody" });
  });
});

describe("a server that was away and goes on from what it had", () => {
  const goOn = (net: CoreNetwork, since: Ballot) => net.claim(1, ALICE, "if-free", 12_000, since);

  /** Server 1 owned the user and is gone; its leases are over. */
  function away(servers = 3): { net: CoreNetwork; since: Ballot } {
    const net = new CoreNetwork({ servers });
    const since = net.own(1, ALICE);
    net.run(1_000);
    net.crash(1);
    net.run(11_000);
    return { net, since };
  }

  for (const servers of [3, 5]) {
    it(`has the user back, of ${servers} servers, if nobody had them since`, () => {
      const { net, since } = away(servers);
      net.start(1);
      expect(goOn(net, since).kind).to.equal("owned");
    });

    it(`has not, of ${servers} servers, once another had them, which let go: one claims in vain, one without an epoch does not`, () => {
      const { net, since } = away(servers);
      const epoch = net.own(2, ALICE);
      net.release(2, ALICE);
      net.run(1_000);
      net.start(1);
      expect(goOn(net, since)).to.deep.equal({ kind: "superseded", epoch });
      expect(net.lookup(3, ALICE), "nobody owns").to.deep.equal({ kind: "nobody" });
      expect(goOn(net, since), "again").to.deep.equal({ kind: "superseded", epoch });
      expect(net.claim(1, ALICE, "if-free").kind).to.equal("owned");
    });
  }

  it("has not, once another had them, which died", () => {
    const { net, since } = away(5);
    const epoch = net.own(2, ALICE);
    net.crash(2);
    net.run(11_000);
    net.start(1);
    expect(goOn(net, since)).to.deep.equal({ kind: "superseded", epoch });
  });

  it("has not, once another had them and let go while it wanted a higher ballot", () => {
    const { net, since } = away(5);
    const epoch = net.own(2, ALICE);
    net.crash(3);
    net.run(100);
    net.start(3);
    net.until("replica 4 holds a higher ballot that is not owned yet", () => {
      const held = net.held(4, ALICE);
      return held !== undefined && compareBallots(held, epoch) > 0;
    });
    net.release(2, ALICE);
    net.run(1_000);
    net.start(1);
    expect(goOn(net, since).kind).to.equal("superseded");
  });

  for (const asks of ["before it asks", "because it asks"] as const) {
    it(`has not, once another let go whose releases were lost, and which replicas hear of ${asks}`, () => {
      const net = new CoreNetwork({ servers: 3 });
      const since = net.own(1, ALICE);
      const epoch = net.own(2, ALICE);
      for (const other of [1, 3]) net.cut(2, other);
      net.release(2, ALICE);
      for (const other of [1, 3]) net.heal(2, other);
      if (asks === "before it asks") net.lookup(2, ALICE);
      expect(goOn(net, since)).to.deep.equal({ kind: "superseded", epoch });
      net.run(1_000);
      expect(goOn(net, since), "again").to.deep.equal({ kind: "superseded", epoch });
    });
  }

  it("has them back where another only tried, in vain", () => {
    const { net, since } = away();
    for (const number of [2, 3]) net.cut(number, number === 2 ? 3 : 2);
    expect(net.claim(2, ALICE, "take-over", 1_000).kind).to.equal("unavailable");
    net.heal(2, 3);
    net.run(1_000);
    net.start(1);
    expect(goOn(net, since).kind).to.equal("owned");
  });

  it("has them back after a move to another server and back", () => {
    const net = new CoreNetwork({ servers: 3 });
    net.own(1, ALICE);
    net.own(2, ALICE);
    const since = net.own(1, ALICE);
    net.crash(1);
    net.run(11_000);
    net.start(1);
    expect(goOn(net, since).kind).to.equal("owned");
  });

  it("has them back under a later ballot of its own, as after replicas that restarted", () => {
    const net = new CoreNetwork({ servers: 3 });
    const since = net.own(1, ALICE);
    net.crash(3);
    net.start(3);
    net.run(GRACE_MS + 5_000);
    net.crash(1);
    net.run(11_000);
    net.start(1);
    expect(goOn(net, since).kind).to.equal("owned");
  });
});

describe("an ownership lost while the replicas' sessions lived on", () => {
  it("is not held against others for ever", () => {
    const net = new CoreNetwork({ servers: 3 });
    net.own(1, ALICE);
    for (const replica of [2, 3]) net.stall(replica, 1);
    net.run(12_000);
    expect(lost(net, 1).map(({ reason }) => reason)).to.deep.equal(["expired"]);
    for (const replica of [2, 3]) net.flow(replica, 1);
    net.run(20_000);
    expect(net.claim(2, ALICE, "if-free").kind).to.equal("owned");
  });
});

describe("a replica that restarts", () => {
  it("abstains, is then caught up under a higher ballot, and the owner owns all the while", () => {
    const net = new CoreNetwork({ servers: 3 });
    const epoch = net.own(1, ALICE);
    net.watch(2, ALICE);
    net.run(1_000);
    net.crash(3);
    net.start(3);
    net.run(GRACE_MS + 5_000);
    const later = net.owned(1, ALICE) as Ballot;
    expect(compareBallots(later, epoch)).to.be.above(0);
    expect(net.held(3, ALICE)).to.deep.equal(later);
    expect(lost(net, 1)).to.deep.equal([]);
    expect(net.told(2, ALICE)).to.deep.equal([
      { kind: "owner", epoch },
      { kind: "owner", epoch: later },
    ]);
  });

  it("and dies before the owner has its higher ballot leaves nobody with one that is not owned: the owner asks again", () => {
    const net = new CoreNetwork({ servers: 3, delayMs: 5 });
    const epoch = net.own(1, ALICE);
    net.watch(2, ALICE);
    net.run(100);
    net.crash(3);
    net.start(3);
    net.lose((message, _from, to) => message.type === "accepted" && to === 1);
    net.until("replica 2 holds a higher ballot", () => compareBallots(net.held(2, ALICE) as Ballot, epoch) > 0);
    net.crash(3);
    net.run(LEASE_MS);
    expect(net.owned(1, ALICE), "the re-claim has failed").to.deep.equal(epoch);
    net.lose();
    net.run(LEASE_MS);
    const later = net.owned(1, ALICE) as Ballot;
    expect(compareBallots(later, epoch)).to.be.above(0);
    expect(net.held(2, ALICE)).to.deep.equal(later);
    expect(net.told(2, ALICE).at(-1)).to.deep.equal({ kind: "owner", epoch: later });
    expect(lost(net, 1)).to.deep.equal([]);
  });

  it("does not vote before the leases of its former life are over", () => {
    const net = new CoreNetwork({ servers: 3 });
    net.own(1, ALICE);
    net.run(1_000);
    net.crash(2);
    net.crash(3);
    net.start(2);
    net.start(3);
    const id = net.startClaim(2, BOB, "take-over", 30_000);
    net.run(GRACE_MS - 100);
    expect(net.claimResult(2, id)).to.equal(undefined);
    net.run(5_000);
    expect(net.claimResult(2, id)?.kind).to.equal("owned");
    expect(lost(net, 1).map(({ reason }) => reason)).to.deep.equal(["expired"]);
  });

  it("is not told apart from others by those it restarts among: epochs go on growing", () => {
    const net = new CoreNetwork({ servers: 3, tuning: { ceilingStep: 8 } });
    let last: Ballot = { version: 0, counter: 0, member: 0 };
    for (let round = 0; round < 12; round++) {
      const epoch = net.own((round % 3) + 1, ALICE);
      expect(compareBallots(epoch, last)).to.be.above(0);
      last = epoch;
      for (const number of [1, 2, 3]) {
        net.crash(number);
        net.start(number);
      }
      net.run(2 * GRACE_MS);
    }
  });
});

describe("a forwarding note", () => {
  it("says for some seconds to whom a user was handed over, and is forgotten then or when the user is back", () => {
    const net = new CoreNetwork({ servers: 3 });
    net.own(1, ALICE);
    const epoch = net.own(2, ALICE);
    const note = () => net.act(1, (core) => core.forwardingNote(ALICE));
    expect(note()).to.deep.equal(epoch);
    net.run(4_000);
    const next = net.own(1, ALICE);
    expect(note()).to.equal(undefined);
    net.own(2, ALICE);
    expect(note()?.counter).to.be.above(next.counter);
    net.run(3_000);
    expect(note(), "the first note's time is over, the second's is not").not.to.equal(undefined);
    net.run(2_000);
    expect(note()).to.equal(undefined);
  });
});

describe("a signed binding", () => {
  const fetched = (net: CoreNetwork, number: number) =>
    net.events(number).flatMap((event) => (event.kind === "record-fetched" ? [event.signed] : []));

  it("is asked of the owner by a replica that holds it", () => {
    const net = new CoreNetwork({ servers: 3 });
    const epoch = net.own(1, ALICE);
    net.act(2, (core, nowMs) => core.fetchRecord(nowMs, 5, ALICE));
    net.run(5);
    const wanted = net.events(1).find(({ kind }) => kind === "record-wanted") as DirectoryEvent & {
      kind: "record-wanted";
    };
    expect(wanted).to.deep.include({ to: 2, aor: ALICE, epoch });
    net.act(1, (core, nowMs) => core.sendRecord(nowMs, wanted.to, wanted.op, Uint8Array.of(1, 2, 3)));
    net.run(5);
    expect(fetched(net, 2)).to.deep.equal([Uint8Array.of(1, 2, 3)]);
  });

  it("is none where nothing is held, where the owner let go, or where it does not answer", () => {
    const net = new CoreNetwork({ servers: 3 });
    net.act(2, (core, nowMs) => core.fetchRecord(nowMs, 1, BOB));
    expect(fetched(net, 2)).to.deep.equal([undefined]);
    net.own(1, ALICE);
    net.stall(1, 2);
    net.release(1, ALICE);
    net.act(2, (core, nowMs) => core.fetchRecord(nowMs, 2, ALICE));
    net.run(5);
    net.flow(1, 2);
    net.run(5);
    expect(fetched(net, 2)).to.deep.equal([undefined, undefined]);
    net.own(1, ALICE);
    net.isolate(1);
    net.act(2, (core, nowMs) => core.fetchRecord(nowMs, 3, ALICE));
    net.run(300);
    expect(fetched(net, 2)).to.deep.equal([undefined, undefined, undefined]);
  });
});

describe("what operators see", () => {
  it("is what each replica holds, sessions, holdings and counts", () => {
    const net = new CoreNetwork({ servers: 3 });
    const epoch = net.own(1, ALICE);
    net.watch(2, ALICE);
    net.run(1_000);
    net.crash(3);
    net.act(2, (core, nowMs) => core.inspect(nowMs, 7, ALICE));
    net.run(1_100);
    const inspected = net.events(2).find(({ kind }) => kind === "inspected") as DirectoryEvent & { kind: "inspected" };
    expect(inspected.answers.map(({ member, answer, accepted }) => [member, answer, accepted?.ballot])).to.deep.equal([
      [1, "state", epoch],
      [2, "state", epoch],
      [3, "silent", undefined],
    ]);
    net.act(1, (core, nowMs) => {
      expect([...core.owners(nowMs)].map(({ aor }) => aor)).to.deep.equal([ALICE]);
      expect(core.leaseLeftMs(nowMs, ALICE)).to.be.within(7_000, 9_800);
      expect(core.leaseLeftMs(nowMs, BOB)).to.equal(0);
      expect([...core.sessions(nowMs)].map(({ member }) => member)).to.have.members([1, 2, 3]);
      expect(core.stats(nowMs)).to.include({ owned: 1, claims: 0, registers: 1, abstainsForMs: 0, watches: 1 });
    });
    net.act(2, (core, nowMs) => {
      expect([...core.holdings(nowMs)].map(({ aor }) => aor)).to.deep.equal([ALICE]);
      expect(core.stats(nowMs)).to.include({ owned: 0, watched: 1 });
    });
  });
});
