import { expect } from "chai";
import { parseAor } from "../../../../dht-schema/aor.ts";
import type { Ballot } from "../../../../dht-schema/ballot.ts";
import { compareBallots } from "../../../../dht-schema/ballot.ts";
import type { AcceptedState } from "../../../../dht-schema/directory-messages.ts";
import { ClaimBench } from "../../../helpers/claim-bench.ts";
import { jointAfter, testRoster } from "../../../helpers/rosters.ts";

const ALICE = parseAor("sip:alice@example.com");
const ATTEMPT_MS = 250;

const ballot = (counter: number, member: number, version = 1): Ballot => ({ version, counter, member });
/** What a replica reports of an owner whose session lives. */
const valid = (held: Ballot, validForMs = 5_000): AcceptedState => ({ ballot: held, boot: 1, validForMs });
/** What a replica reports of an owner whose session is over. */
const dead = (held: Ballot): AcceptedState => valid(held, 0);

describe("a claim of a free AoR", () => {
  it("asks every replica under one ballot, and asks for leases at once", () => {
    const bench = new ClaimBench();
    bench.claim.prepare(0);
    const sent = bench.context.takeSent();
    expect(sent.map(({ to, message }) => `${message.type} ${to}`)).to.have.members(
      [1, 2, 3, 4, 5].flatMap((replica) => [`renew ${replica}`, `prepare ${replica}`]),
    );
  });

  it("is won in one round trip when a majority accepts at once, and nobody is asked again", () => {
    const bench = new ClaimBench().start();
    const { op, ballot: mine } = bench.round();
    bench.accepted(1, op);
    bench.accepted(2, op);
    bench.accepted(2, op);
    expect(bench.ends).to.deep.equal([]);
    bench.accepted(3, op);
    expect(bench.ends).to.deep.equal([{ kind: "owned", epoch: mine, from: undefined }]);
    expect(bench.ownerships.epoch(bench.nowMs, ALICE)).to.deep.equal(mine);
    bench.accepted(4, op);
    bench.pass(ATTEMPT_MS);
    expect(
      bench.take("accept").map(({ to }) => to),
      "the one that did not answer is caught up",
    ).to.deep.equal([5]);
  });

  it("waits for nothing more once all have accepted: it is forgotten at once", () => {
    const bench = new ClaimBench().start();
    const { op } = bench.round();
    const before = bench.context.openOps;
    for (const replica of [1, 2, 3, 4]) bench.accepted(replica, op);
    expect(bench.context.openOps).to.equal(before);
    bench.accepted(4, op);
    expect(bench.context.openOps).to.equal(before);
    bench.accepted(5, op);
    expect(bench.context.openOps).to.equal(before - 1);
    bench.pass(ATTEMPT_MS);
    expect(bench.take("accept")).to.deep.equal([]);
  });

  it("asks only those to accept that did not at once", () => {
    const bench = new ClaimBench().start();
    const { op, ballot: mine } = bench.round();
    bench.accepted(1, op);
    bench.promise(2, op, dead(ballot(7, 2)));
    bench.accepted(3, op);
    expect(bench.take("accept").map(({ to }) => to)).to.deep.equal([2]);
    bench.accepted(4, op);
    expect(bench.ends).to.deep.equal([{ kind: "owned", epoch: mine, from: undefined }]);
  });

  it("is not won by some that accepted at once, as long as another may own it by the rest", () => {
    const bench = new ClaimBench("if-free").start();
    const { op } = bench.round();
    bench.accepted(1, op);
    bench.accepted(2, op);
    for (const replica of [3, 4, 5]) bench.promise(replica, op, valid(ballot(7, 2)));
    const [confirm] = bench.take("confirm");
    bench.answer(2, { type: "confirmed", op: confirm!.message.op, owned: ballot(7, 2), forwarded: undefined });
    expect(bench.ends).to.deep.equal([{ kind: "owned-elsewhere", epoch: ballot(7, 2) }]);
    expect(bench.take("release").map(({ to }) => to)).to.deep.equal([1, 2]);
  });

  it("needs a majority of promises before it asks anybody to accept", () => {
    const bench = new ClaimBench().start();
    const { op, ballot: mine } = bench.round();
    bench.promise(1, op);
    bench.promise(2, op);
    bench.promise(2, op);
    expect(bench.take("accept")).to.deep.equal([]);
    bench.promise(3, op, undefined, 7);
    expect(bench.take("accept").map(({ to, message }) => [to, message])).to.deep.equal(
      [1, 2, 3].map((to) => [
        to,
        { type: "accept", op, aor: ALICE, ballot: mine, boot: 1, incarnation: to === 3 ? 7 : 1 },
      ]),
    );
    expect(bench.ends).to.deep.equal([]);
  });

  it("is won when a majority accepted, and owned from that instant", () => {
    const bench = new ClaimBench().start();
    const { op, ballot: mine } = bench.round();
    for (const replica of [1, 2, 3]) bench.promise(replica, op);
    bench.accepted(1, op);
    bench.accepted(1, op);
    bench.accepted(2, op);
    expect(bench.ends).to.deep.equal([]);
    expect(bench.ownerships.epoch(0, ALICE)).to.equal(undefined);
    bench.accepted(3, op);
    expect(bench.ends).to.deep.equal([{ kind: "owned", epoch: mine, from: undefined }]);
    expect(bench.ownerships.epoch(0, ALICE)).to.deep.equal(mine);
  });

  it("asks a replica to accept whose promise comes late, and counts its late acceptance", () => {
    const bench = new ClaimBench().start();
    const { op, ballot: mine } = bench.round();
    for (const replica of [1, 2, 3]) bench.promise(replica, op);
    bench.take("accept");
    bench.promise(4, op, undefined, 3);
    const [late] = bench.take("accept");
    expect(late).to.deep.include({ to: 4 });
    expect(late?.message).to.deep.include({ ballot: mine, incarnation: 3 });
    for (const replica of [1, 2, 4]) bench.accepted(replica, op);
    expect(bench.ends[0]?.kind).to.equal("owned");
    bench.accepted(5, op);
    bench.pass(ATTEMPT_MS);
    expect(
      bench.take("accept").map(({ to }) => to),
      "only who has not accepted is caught up",
    ).to.deep.equal([3]);
  });

  it("is not won by acceptances under sessions that this server has no lease for", () => {
    const bench = new ClaimBench().start();
    const { op } = bench.round();
    for (const replica of [1, 2, 3]) bench.promise(replica, op);
    for (const replica of [1, 2, 3]) bench.accepted(replica, op, 99);
    expect(bench.ends).to.deep.equal([]);
    for (const replica of [1, 2, 3]) bench.accepted(replica, op);
    expect(bench.ends[0]?.kind).to.equal("owned");
  });

  it("needs majorities of the old and the new voters while the version is joint", () => {
    const roster = jointAfter(testRoster(9, { voters: [1, 2, 3] }), [3, 4, 5]);
    const bench = new ClaimBench("take-over", roster).start();
    const { op, asked } = bench.round();
    expect(asked).to.have.members([1, 2, 3, 4, 5]);
    for (const replica of [1, 2, 3]) bench.promise(replica, op);
    expect(bench.take("accept"), "a majority of the old only").to.deep.equal([]);
    bench.promise(4, op);
    expect(bench.take("accept")).to.have.length(4);
    bench.accepted(3, op);
    bench.accepted(4, op);
    expect(bench.ends, "a majority of the new only").to.deep.equal([]);
    bench.accepted(2, op);
    expect(bench.ends[0]?.kind).to.equal("owned");
  });
});

describe("ruling out the present owner", () => {
  it("takes a majority that does not hold it as valid", () => {
    const bench = new ClaimBench().start();
    const { op } = bench.round();
    bench.promise(1, op, dead(ballot(1, 7)));
    bench.promise(2, op, dead(ballot(1, 7)));
    bench.promise(3, op, dead(ballot(1, 7)));
    expect(bench.take("accept")).to.have.length(3);
    expect(bench.handovers()).to.deep.equal([]);
  });

  it("counts who has not answered as holding it", () => {
    const bench = new ClaimBench().start();
    const { op } = bench.round();
    bench.promise(1, op, valid(ballot(1, 7)));
    bench.promise(2, op);
    bench.promise(3, op);
    expect(bench.take("accept"), "1 and the silent 4 and 5 are a majority").to.deep.equal([]);
    bench.promise(4, op);
    expect(bench.take("accept")).to.have.length(4);
  });

  it("is done for every value reported, not for the highest alone", () => {
    const bench = new ClaimBench().start();
    const { op } = bench.round();
    bench.promise(1, op, valid(ballot(2, 8)));
    bench.promise(2, op, valid(ballot(1, 7)));
    bench.promise(3, op);
    const asked = bench.handovers();
    expect(asked.map(({ to, theirs }) => [to, theirs])).to.have.deep.members([
      [8, ballot(2, 8)],
      [7, ballot(1, 7)],
    ]);
    bench.handedOver(asked.find(({ to }) => to === 8)!);
    expect(bench.take("accept"), "server 7 may still own").to.deep.equal([]);
    bench.handedOver(asked.find(({ to }) => to === 7)!);
    expect(bench.take("accept")).to.have.length(3);
  });

  it("counts all ballots of one server together: it may be on its way from one to the other", () => {
    const bench = new ClaimBench().start();
    const { op } = bench.round();
    bench.promise(1, op, valid(ballot(1, 7)));
    bench.promise(2, op, valid(ballot(2, 7)));
    bench.promise(3, op, valid(ballot(1, 7)));
    bench.promise(4, op);
    bench.promise(5, op);
    expect(bench.take("accept")).to.deep.equal([]);
    expect(bench.handovers().map(({ to, theirs }) => [to, theirs])).to.deep.include([7, ballot(2, 7)]);
  });

  it("is done under the old and under the new voters of a joint version", () => {
    const roster = jointAfter(testRoster(9, { voters: [1, 2, 3] }), [3, 4, 5]);
    const bench = new ClaimBench("take-over", roster).start();
    const { op } = bench.round();
    bench.promise(1, op, valid(ballot(1, 7)));
    bench.promise(2, op, valid(ballot(1, 7)));
    for (const replica of [3, 4, 5]) bench.promise(replica, op);
    expect(bench.take("accept"), "it may own by the old voters alone").to.deep.equal([]);
    bench.handovers();

    const other = new ClaimBench("take-over", roster).start();
    const round = other.round();
    other.promise(4, round.op, valid(ballot(1, 7)));
    other.promise(5, round.op, valid(ballot(1, 7)));
    for (const replica of [1, 2, 3]) other.promise(replica, round.op);
    expect(other.take("accept"), "it may own by the new voters alone: the stable version may be out").to.deep.equal([]);
  });

  it("is not needed of what this very server held before", () => {
    const bench = new ClaimBench().start();
    const { op } = bench.round();
    for (const replica of [1, 2, 3]) bench.promise(replica, op, valid(ballot(1, 9)));
    expect(bench.take("accept")).to.have.length(3);
  });
});

describe("taking over from a live owner", () => {
  const meetOwner = (bench: ClaimBench) => {
    const { op, ballot: mine } = bench.round();
    for (const replica of [1, 2, 3]) bench.promise(replica, op, valid(ballot(1, 7)));
    return { op, mine };
  };

  it("asks the owner once a round, and goes on when it has handed over", () => {
    const bench = new ClaimBench().start();
    const { op, mine } = meetOwner(bench);
    bench.promise(4, op, valid(ballot(1, 7)));
    const [asked, ...more] = bench.handovers();
    expect(more).to.deep.equal([]);
    expect(asked).to.deep.include({ to: 7, theirs: ballot(1, 7), mine });
    bench.handedOver(asked!);
    expect(bench.take("accept").map(({ to }) => to)).to.deep.equal([1, 2, 3, 4]);
    for (const replica of [1, 2, 3]) bench.accepted(replica, op);
    expect(bench.ends).to.deep.equal([{ kind: "owned", epoch: mine, from: 7 }]);
  });

  it("does not believe an answer about another ballot", () => {
    const bench = new ClaimBench().start();
    meetOwner(bench);
    const [asked] = bench.handovers();
    bench.handedOver({ ...asked!, theirs: ballot(2, 7) });
    expect(bench.take("accept")).to.deep.equal([]);
  });

  it("remembers a hand-over in later rounds, for that ballot and those below it", () => {
    const bench = new ClaimBench().start();
    const first = meetOwner(bench);
    bench.handedOver(bench.handovers()[0]!);
    for (const replica of [1, 2, 3]) bench.refuse(replica, first.op, "incarnation");
    bench.pass(100);
    const second = bench.round();
    for (const replica of [1, 2, 3]) bench.promise(replica, second.op, valid(ballot(1, 7)));
    expect(bench.take("accept")).to.have.length(6);

    const other = new ClaimBench().start();
    const third = meetOwner(other);
    other.handedOver(other.handovers()[0]!);
    for (const replica of [1, 2, 3]) other.refuse(replica, third.op, "incarnation");
    other.pass(100);
    other.take("accept");
    const fourth = other.round();
    for (const replica of [1, 2, 3]) other.promise(replica, fourth.op, valid(ballot(2, 7)));
    expect(other.take("accept"), "the owner has a later ballot").to.deep.equal([]);
    expect(other.handovers()[0]?.theirs).to.deep.equal(ballot(2, 7));
  });

  it("waits for the leases of an owner that does not answer, and asks again", () => {
    const bench = new ClaimBench().start();
    meetOwner(bench);
    bench.handovers();
    bench.pass(ATTEMPT_MS);
    expect(bench.take("prepare"), "some leases are left").to.deep.equal([]);
    bench.pass(ATTEMPT_MS);
    const { op, ballot: second } = bench.round();
    expect(second.counter).to.be.above(1);
    for (const replica of [1, 2, 3]) bench.promise(replica, op, dead(ballot(1, 7)));
    expect(bench.take("accept")).to.have.length(3);
  });

  it("waits no longer than the longest lease that a replica reports", () => {
    const bench = new ClaimBench().start();
    const { op } = bench.round();
    for (const replica of [1, 2, 3]) bench.promise(replica, op, valid(ballot(1, 7), 10 * replica));
    bench.pass(ATTEMPT_MS);
    expect(bench.take("prepare")).to.deep.equal([]);
    bench.pass(29);
    expect(bench.take("prepare")).to.deep.equal([]);
    bench.pass(1);
    expect(bench.take("prepare")).to.have.length(5);
  });

  it("says who holds it when time is up", () => {
    const bench = new ClaimBench().start();
    for (let round = 0; bench.ends.length === 0 && round < 100; round++) {
      const prepares = bench.take("prepare");
      for (const { to, message } of prepares) bench.promise(to, message.op, valid(ballot(1, 7)));
      bench.pass(ATTEMPT_MS);
    }
    expect(bench.ends).to.deep.equal([
      { kind: "unavailable", reason: "server 7 holds it for up to 5000 ms more and does not answer" },
    ]);
    expect(bench.nowMs).to.equal(12_000);
  });
});

describe("a claim that leaves a live owner alone", () => {
  /** A majority holds server 7 as valid; the request that it is asked with whether it owns. */
  const meetOwner = (bench: ClaimBench) => {
    const { op } = bench.round();
    for (const replica of [1, 2, 3]) bench.promise(replica, op, valid(ballot(4, 7)));
    const [asked, ...more] = bench.take("confirm");
    expect(more).to.deep.equal([]);
    expect(asked).to.deep.include({ to: 7 });
    expect(asked?.message).to.deep.include({ aor: ALICE, ballot: ballot(4, 7) });
    return asked!.message.op;
  };

  for (const purpose of ["if-free", "reclaim"] as const) {
    it(`asks it, and ends with its word: ${purpose}`, () => {
      const bench = new ClaimBench(purpose).start();
      const op = meetOwner(bench);
      bench.answer(7, { type: "confirmed", op, owned: ballot(5, 7), forwarded: undefined });
      expect(bench.ends).to.deep.equal([{ kind: "owned-elsewhere", epoch: ballot(5, 7) }]);
      expect(bench.handovers()).to.deep.equal([]);
      expect(bench.take("accept")).to.deep.equal([]);
    });
  }

  it("goes on when that server denies to own it: the replicas did not hear that it let go", () => {
    const bench = new ClaimBench("if-free").start();
    const op = meetOwner(bench);
    bench.answer(7, { type: "confirmed", op, owned: undefined, forwarded: undefined });
    const accepts = bench.take("accept");
    expect(accepts).to.have.length(3);
    for (const { to, message } of accepts) bench.accepted(to, message.op);
    expect(bench.ends[0]).to.deep.include({ kind: "owned", from: undefined });
  });

  it("believes the replicas when that server does not answer", () => {
    const bench = new ClaimBench("if-free").start();
    meetOwner(bench);
    bench.pass(ATTEMPT_MS);
    expect(bench.ends).to.deep.equal([{ kind: "owned-elsewhere", epoch: ballot(4, 7) }]);
  });

  it("waits for the others' answers while it is not certain", () => {
    const bench = new ClaimBench("if-free").start();
    const { op } = bench.round();
    bench.promise(1, op, valid(ballot(4, 7)));
    bench.promise(2, op, valid(ballot(4, 7)));
    bench.promise(3, op);
    expect(bench.ends).to.deep.equal([]);
    bench.promise(4, op);
    expect(bench.ends).to.deep.equal([]);
    bench.promise(5, op);
    expect(bench.take("accept"), "two of five are no majority").to.have.length(5);
  });

  it("yields after a while to an owner that the silent replicas may hold", () => {
    const bench = new ClaimBench("if-free").start();
    const { op } = bench.round();
    bench.promise(1, op, valid(ballot(4, 7)));
    bench.promise(2, op, valid(ballot(5, 8)));
    bench.promise(3, op);
    bench.pass(ATTEMPT_MS);
    expect(bench.ends).to.deep.equal([{ kind: "owned-elsewhere", epoch: ballot(5, 8) }]);
  });
});

describe("a claim of an owner that needs a higher ballot", () => {
  const own = (bench: ClaimBench) =>
    bench.ownerships.begin(
      0,
      ALICE,
      ballot(1, 9),
      bench.context.quorumOf(ALICE),
      new Map([1, 2, 3].map((r) => [r, r])),
    );

  it("is won while the owner owns, and takes the place of what it had", () => {
    const bench = new ClaimBench("reclaim").start();
    expect(own(bench)).to.equal(true);
    const { op, ballot: higher } = bench.round();
    for (const replica of [1, 2, 3]) bench.promise(replica, op);
    for (const replica of [1, 2, 3]) bench.accepted(replica, op);
    expect(bench.ends).to.deep.equal([{ kind: "owned", epoch: higher, from: undefined }]);
    expect(bench.ownerships.epoch(0, ALICE)).to.deep.equal(higher);
    expect(bench.context.takeEvents()).to.deep.equal([]);
  });

  it("does not bring back what lapsed meanwhile, even where nobody has noticed: it ends, once, and lets go", () => {
    const bench = new ClaimBench("reclaim").start();
    expect(own(bench)).to.equal(true);
    bench.round();
    bench.pass(11_000);
    bench.take("release");
    const { op } = bench.round();
    for (const replica of [1, 2, 3]) bench.promise(replica, op);
    for (const replica of [1, 2, 3]) bench.accepted(replica, op);
    expect(bench.ends).to.deep.equal([{ kind: "unavailable", reason: "cancelled" }]);
    expect(bench.ownerships.epoch(bench.nowMs, ALICE)).to.equal(undefined);
    expect(bench.context.takeEvents()).to.deep.equal([
      { kind: "lost", aor: ALICE, epoch: ballot(1, 9), reason: "expired", to: undefined },
    ]);
    expect(bench.take("release").map(({ to }) => to)).to.include.members([1, 2, 3]);
  });
});

describe("a refused round", () => {
  it("goes on while a majority has not refused", () => {
    const bench = new ClaimBench().start();
    const { op } = bench.round();
    bench.refuse(1, op, "promised", ballot(5, 3));
    bench.refuse(2, op, "promised", ballot(5, 3));
    for (const replica of [3, 4, 5]) bench.promise(replica, op);
    for (const replica of [3, 4, 5]) bench.accepted(replica, op);
    expect(bench.ends[0]?.kind).to.equal("owned");
  });

  it("is over at once when those who refused to promise and those who refused to accept are a majority", () => {
    const bench = new ClaimBench().start();
    const { op } = bench.round();
    for (const replica of [1, 2]) bench.refuse(replica, op, "promised", ballot(5, 3));
    for (const replica of [3, 4, 5]) bench.promise(replica, op);
    expect(bench.take("accept")).to.have.length(3);
    bench.refuse(3, op, "promised", ballot(5, 3));
    bench.pass(8);
    expect(bench.take("prepare")).to.have.length(5);
  });

  it("is over at once when it left open who owns, and nobody is left to say", () => {
    const bench = new ClaimBench("if-free").start();
    const { op } = bench.round();
    for (const replica of [1, 2]) bench.promise(replica, op, valid(ballot(7, 2)));
    bench.accepted(3, op);
    bench.accepted(4, op);
    bench.pass(8);
    expect(bench.take("prepare"), "replica 5 may hold it too").to.deep.equal([]);
    bench.refuse(5, op, "promised", ballot(8, 2));
    bench.pass(8);
    expect(bench.take("prepare")).to.have.length(5);
  });

  it("is followed by one under a ballot above every one met, after a short random pause", () => {
    const bench = new ClaimBench().start();
    const { op, ballot: first } = bench.round();
    for (const replica of [1, 2, 3]) bench.refuse(replica, op, "promised", ballot(70 + replica, 3));
    bench.promise(4, op);
    expect(bench.take("prepare")).to.deep.equal([]);
    bench.pass(4);
    const { ballot: second } = bench.round();
    expect(second).to.deep.equal(ballot(74, 9));
    expect(first.counter).to.be.below(second.counter);
  });

  it("pauses longer with each collision, up to a second", () => {
    const bench = new ClaimBench().start();
    for (const pauseMs of [4, 8, 16, 32, 64, 128, 256, 500, 500]) {
      const { op } = bench.round();
      for (const replica of [1, 2, 3]) bench.refuse(replica, op, "promised", ballot(1_000, 3));
      bench.pass(pauseMs - 1);
      expect(bench.context.openOps, `before ${pauseMs} ms`).to.equal(0);
      bench.pass(1);
    }
    bench.round();
  });

  it("gives replicas that abstain or are full time", () => {
    for (const reason of ["abstaining", "full"] as const) {
      const bench = new ClaimBench().start();
      const { op } = bench.round();
      for (const replica of [1, 2, 3]) bench.refuse(replica, op, reason);
      bench.pass(99);
      expect(bench.take("prepare")).to.deep.equal([]);
      bench.pass(1);
      expect(bench.take("prepare")).to.have.length(5);
    }
  });

  it("hears no answers any more", () => {
    const bench = new ClaimBench().start();
    const { op } = bench.round();
    for (const replica of [1, 2, 3]) bench.refuse(replica, op, "promised", ballot(70, 3));
    expect(bench.answer(4, { type: "promised", op, incarnation: 1, accepted: undefined })).to.equal(false);
  });

  it("tells the replicas that may hold the ballot that it is given up", () => {
    const bench = new ClaimBench().start();
    const { op, ballot: first } = bench.round();
    bench.accepted(1, op);
    for (const replica of [2, 3]) bench.promise(replica, op);
    for (const replica of [2, 3, 4]) bench.refuse(replica, op, "no-session");
    expect(bench.take("release").map(({ to, message }) => [to, message.ballot])).to.deep.equal(
      [1, 5].map((to) => [to, first]),
    );
  });
});

describe("a claim that gets no answers", () => {
  it("tries again under a higher ballot, ever more slowly up to 2 s, until its deadline, then is unavailable", () => {
    const bench = new ClaimBench().start();
    const ballots: Ballot[] = [];
    const startsMs: number[] = [];
    while (bench.ends.length === 0) {
      const [first] = bench.take("prepare");
      if (first !== undefined) {
        ballots.push(first.message.ballot);
        startsMs.push(bench.nowMs);
      }
      bench.pass(ATTEMPT_MS);
    }
    expect(bench.nowMs).to.equal(12_000);
    expect(bench.ends).to.deep.equal([{ kind: "unavailable", reason: "no majority of the replicas answered" }]);
    expect(ballots.map(({ counter }) => counter)).to.deep.equal(ballots.map((_, index) => index + 1));
    expect(startsMs).to.deep.equal([0, 250, 750, 1750, 3750, 5750, 7750, 9750, 11_750]);
  });

  it("says why the last replica refused", () => {
    const bench = new ClaimBench().start();
    while (bench.ends.length === 0) {
      for (const { to, message } of bench.take("prepare")) bench.refuse(to, message.op, "abstaining");
      bench.pass(ATTEMPT_MS);
    }
    expect(bench.ends[0]).to.deep.include({ kind: "unavailable" });
    expect((bench.ends[0] as { reason: string }).reason).to.match(/^replica \d refused: abstaining$/);
  });

  it("gives up an unanswered ballot before the next round: it may have been accepted, and must never be owned", () => {
    const bench = new ClaimBench().start();
    const { op, ballot: first } = bench.round();
    for (const replica of [1, 2, 3]) bench.promise(replica, op);
    bench.accepted(1, op);
    bench.pass(ATTEMPT_MS);
    const released = bench.take("release").map(({ to, message }) => [to, message.ballot]);
    expect(released).to.deep.equal([1, 2, 3, 4, 5].map((to) => [to, first]));
    expect(bench.answer(2, { type: "accepted", op, session: 2 })).to.equal(false);
    expect(bench.answer(3, { type: "accepted", op, session: 3 })).to.equal(false);
    expect(bench.ownerships.epoch(bench.nowMs, ALICE)).to.equal(undefined);
  });
});

describe("an ended claim", () => {
  it("stays as it ended, whatever comes later", () => {
    const bench = new ClaimBench().start();
    const { op } = bench.round();
    for (const replica of [1, 2, 3]) bench.promise(replica, op);
    for (const replica of [1, 2, 3]) bench.accepted(replica, op);
    bench.take("accept");
    bench.claim.cancel(bench.nowMs);
    bench.claim.giveWay(bench.nowMs);
    bench.claim.prepare(bench.nowMs);
    bench.pass(100);
    expect(bench.ends).to.have.length(1);
    expect(bench.take("prepare")).to.deep.equal([]);
    expect(bench.take("release")).to.deep.equal([]);
    expect(bench.ownerships.epoch(bench.nowMs, ALICE)).not.to.equal(undefined);
  });

  it("can be cancelled in every state before, and then is unavailable and lets go of what it asked for", () => {
    const waiting = new ClaimBench();
    expect(waiting.claim.isWaiting).to.equal(true);
    waiting.claim.cancel(0);
    expect(waiting.ends).to.deep.equal([{ kind: "unavailable", reason: "cancelled" }]);

    const preparing = new ClaimBench().start();
    preparing.promise(1, preparing.round().op);
    preparing.claim.cancel(0);
    expect(preparing.ends).to.have.length(1);
    expect(preparing.take("release").map(({ to }) => to)).to.deep.equal([2, 3, 4, 5]);

    const accepting = new ClaimBench().start();
    const { op, ballot: mine } = accepting.round();
    for (const replica of [1, 2, 3]) accepting.promise(replica, op);
    expect(accepting.claim.ballotInFlight).to.deep.equal(mine);
    accepting.claim.cancel(0);
    expect(accepting.claim.ballotInFlight).to.equal(undefined);
    expect(accepting.take("release")).to.have.length(5);

    const backingOff = new ClaimBench().start();
    const round = backingOff.round();
    for (const replica of [1, 2, 3]) backingOff.refuse(replica, round.op, "full");
    backingOff.claim.cancel(0);
    backingOff.pass(1_000);
    expect(backingOff.ends).to.have.length(1);
    expect(backingOff.take("prepare")).to.deep.equal([]);
  });

  it("is over before it begins when its deadline has passed", () => {
    const bench = new ClaimBench();
    bench.claim.prepare(12_000);
    expect(bench.ends).to.have.length(1);
    expect(bench.context.takeSent()).to.deep.equal([]);
  });

  it("gives way to a younger one: it tells the replicas, and tries again under a higher ballot a little later", () => {
    const bench = new ClaimBench().start();
    const { op, ballot: first } = bench.round();
    for (const replica of [1, 2, 3]) bench.promise(replica, op);
    bench.claim.giveWay(0);
    expect(bench.ends).to.deep.equal([]);
    expect(bench.take("release").map(({ to, message }) => [to, message.ballot])).to.deep.equal(
      [1, 2, 3, 4, 5].map((to) => [to, first]),
    );
    expect(bench.take("prepare")).to.deep.equal([]);
    bench.claim.giveWay(0);
    bench.pass(8);
    expect(compareBallots(bench.round().ballot, first)).to.be.above(0);
  });
});
