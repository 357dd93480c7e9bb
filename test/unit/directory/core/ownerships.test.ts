import { expect } from "chai";
import type { Aor } from "../../../../dht-schema/aor.ts";
import { parseAor } from "../../../../dht-schema/aor.ts";
import type { Ballot } from "../../../../dht-schema/ballot.ts";
import type { DirectoryMessage, MessageOf } from "../../../../dht-schema/directory-messages.ts";
import type { Roster } from "../../../../dht-schema/roster.ts";
import { isJoint } from "../../../../dht-schema/roster.ts";
import type { DirectoryTuning } from "../../../../node/directory/core/context.ts";
import { Leases } from "../../../../node/directory/core/leases.ts";
import { Ownerships } from "../../../../node/directory/core/ownerships.ts";
import { CoreContext } from "../../../helpers/core-context.ts";
import { jointAfter, numbersTo, stableAfter, testRoster } from "../../../helpers/rosters.ts";

const ALICE = parseAor("sip:alice@example.com");
const TERM_MS = 9_800;
const PATIENCE_MS = 2_500;

const ballot = (counter: number, version = 1): Ballot => ({ version, counter, member: 1 });

/** What server 1 owns. The replicas' answers, and whether they answer renewals, are the test's. */
class Bench {
  readonly context: CoreContext;
  readonly leases: Leases;
  readonly ownerships: Ownerships;
  readonly reclaimed: Aor[] = [];
  /** Replicas that answer no renewals. */
  readonly silent = new Set<number>();
  /** The session of each replica. */
  readonly sessions = new Map<number, number>();
  nowMs = 0;
  #accepts: { to: number; message: MessageOf<"accept"> }[] = [];

  constructor(roster: Roster = testRoster(3), tuning: Partial<DirectoryTuning> = {}) {
    this.context = new CoreContext({ roster, tuning });
    this.leases = new Leases(this.context, {
      began: (nowMs, member) => this.ownerships.leaseBegan(nowMs, member),
      renewed: () => undefined,
    });
    this.ownerships = new Ownerships(this.context, this.leases, {
      reclaim: (_nowMs, aor) => void this.reclaimed.push(aor),
      lost: () => undefined,
    });
    for (const { number } of roster.servers) this.sessions.set(number, 100 * number);
  }

  /** Owns an AoR that these replicas accepted. */
  own(aor: Aor, epoch: Ballot, ...replicas: number[]): boolean {
    const quorum = this.context.quorumOf(aor);
    for (const member of quorum.members) this.leases.ensure(this.nowMs, member);
    this.collect();
    const sessions = new Map(replicas.map((replica) => [replica, this.sessions.get(replica) as number]));
    const owned = this.ownerships.begin(this.nowMs, aor, epoch, quorum, sessions);
    this.collect();
    return owned;
  }

  /** Time passes in small steps, with every renewal answered that is not silenced. */
  pass(ms: number): this {
    const endMs = this.nowMs + ms;
    while (this.context.agenda.nextMs <= endMs) {
      this.nowMs = Math.max(this.nowMs, this.context.agenda.nextMs);
      this.context.agenda.runDue(this.nowMs);
      this.collect();
    }
    this.nowMs = endMs;
    return this;
  }

  /** The accepts sent for catch-up since the last call. */
  accepts(): { to: number; message: MessageOf<"accept"> }[] {
    this.collect();
    return this.#accepts.splice(0);
  }

  answer(from: number, message: DirectoryMessage & { op: number }): void {
    this.context.answer(this.nowMs, from, message);
    this.collect();
  }

  /** The replica accepts what it was asked to. */
  take({ to, message }: { to: number; message: MessageOf<"accept"> }): void {
    this.answer(to, { type: "accepted", op: message.op, session: this.sessions.get(to) as number });
  }

  epoch(aor = ALICE): Ballot | undefined {
    return this.ownerships.epoch(this.nowMs, aor);
  }

  losses(): { reason: string; epoch: Ballot; to: Ballot | undefined }[] {
    return this.context
      .takeEvents()
      .flatMap((event) => (event.kind === "lost" ? [{ reason: event.reason, epoch: event.epoch, to: event.to }] : []));
  }

  install(next: Roster): void {
    const leases = this.leases.snapshot();
    const intoJoint = isJoint(next) && next.version === this.context.roster().version + 1;
    this.context.install(next);
    for (const { number } of next.servers) {
      if (!this.sessions.has(number)) this.sessions.set(number, 100 * number);
    }
    this.ownerships.rosterChanged(this.nowMs, { leases, intoJoint });
    this.collect();
  }

  collect(): void {
    for (let sent = this.context.takeSent(); sent.length > 0; sent = this.context.takeSent()) {
      for (const { to, message } of sent) {
        if (message.type === "accept") this.#accepts.push({ to, message });
        if (message.type !== "renew" || this.silent.has(to)) continue;
        const session = this.sessions.get(to) as number;
        const { op } = message;
        this.context.answer(this.nowMs, to, { type: "renewed", op, session, incarnation: to, notices: 0 });
      }
    }
  }
}

describe("an ownership", () => {
  it("begins when a majority accepted under live leases, and not with fewer", () => {
    const bench = new Bench();
    expect(bench.own(ALICE, ballot(1), 1)).to.equal(false);
    expect(bench.epoch()).to.equal(undefined);
    expect(bench.own(ALICE, ballot(1), 1, 2)).to.equal(true);
    expect(bench.epoch()).to.deep.equal(ballot(1));
    expect(bench.ownerships.size).to.equal(1);
  });

  it("does not begin by acceptances under other sessions than those of its leases", () => {
    const bench = new Bench();
    bench.own(ALICE, ballot(1));
    const sessions = new Map([
      [1, 99],
      [2, 200],
    ]);
    expect(bench.ownerships.begin(0, ALICE, ballot(1), bench.context.quorumOf(ALICE), sessions)).to.equal(false);
  });

  it("stands as long as renewals are answered", () => {
    const bench = new Bench();
    bench.own(ALICE, ballot(1), 1, 2, 3);
    for (let i = 0; i < 100; i++) expect(bench.pass(1_000).epoch()).to.deep.equal(ballot(1));
    expect(bench.losses()).to.deep.equal([]);
    expect([...bench.ownerships.list(bench.nowMs)]).to.deep.equal([
      { aor: ALICE, epoch: ballot(1), ownedForMs: 100_000 },
    ]);
  });

  it("stands while a majority is left, and ends at the instant when it is not", () => {
    const bench = new Bench();
    bench.own(ALICE, ballot(1), 1, 2, 3);
    bench.silent.add(3);
    bench.pass(30_000);
    expect(bench.epoch()).to.deep.equal(ballot(1));
    bench.silent.add(2);
    const last = bench.ownerships.leaseLeftMs(bench.nowMs, ALICE);
    expect(last).to.be.within(TERM_MS - PATIENCE_MS, TERM_MS);
    bench.pass(last - 1);
    expect(bench.epoch()).to.deep.equal(ballot(1));
    bench.pass(1);
    expect(bench.epoch()).to.equal(undefined);
    expect(bench.ownerships.leaseLeftMs(bench.nowMs, ALICE)).to.equal(0);
    expect([...bench.ownerships.list(bench.nowMs)]).to.deep.equal([]);
  });

  it("is told lost when it is looked for, once", () => {
    const bench = new Bench();
    bench.own(ALICE, ballot(1), 1, 2, 3);
    for (const replica of [1, 2, 3]) bench.silent.add(replica);
    bench.pass(TERM_MS);
    bench.ownerships.sweep(bench.nowMs);
    bench.ownerships.sweep(bench.nowMs);
    expect(bench.losses()).to.deep.equal([{ reason: "expired", epoch: ballot(1), to: undefined }]);
    expect(bench.ownerships.size).to.equal(0);
  });

  it("is lost for good once it lapsed: leases that begin anew do not bring it back", () => {
    const bench = new Bench();
    bench.own(ALICE, ballot(1), 1, 2, 3);
    for (const replica of [1, 2, 3]) bench.silent.add(replica);
    bench.pass(TERM_MS);
    bench.silent.clear();
    bench.pass(5_000);
    expect(bench.leases.generation(bench.nowMs, 2)).to.be.above(0);
    expect(bench.epoch()).to.equal(undefined);
    expect(bench.accepts(), "nor is it caught up").to.deep.equal([]);
  });

  it("is told lost soon after it lapsed, even if the leases began anew at the next instant", () => {
    const bench = new Bench();
    bench.own(ALICE, ballot(1), 1, 2, 3);
    for (const replica of [1, 2, 3]) bench.silent.add(replica);
    bench.pass(TERM_MS);
    bench.silent.clear();
    for (const replica of [1, 2, 3]) bench.leases.refresh(bench.nowMs, replica);
    bench.collect();
    expect(bench.leases.newlyLapsed(bench.nowMs), "no lapse is to be seen any more").to.equal(false);
    expect(bench.losses()).to.deep.equal([{ reason: "expired", epoch: ballot(1), to: undefined }]);
  });

  it("is not brought back by an acceptance that comes after it lapsed", () => {
    const bench = new Bench();
    bench.own(ALICE, ballot(1), 1, 2);
    for (const replica of [1, 2, 3]) bench.silent.add(replica);
    bench.pass(TERM_MS);
    bench.silent.clear();
    bench.pass(5_000);
    for (const replica of [1, 2, 3]) {
      bench.ownerships.accepted(bench.nowMs, ALICE, ballot(1), replica, 100 * replica);
    }
    expect(bench.epoch()).to.equal(undefined);
  });

  it("counts an acceptance that comes late, for its very ballot only", () => {
    const bench = new Bench();
    bench.own(ALICE, ballot(1), 1, 2);
    bench.ownerships.accepted(0, ALICE, ballot(2), 3, 300);
    bench.silent.add(2);
    bench.pass(TERM_MS);
    expect(bench.epoch(), "only server 1 is left").to.equal(undefined);

    const other = new Bench();
    other.own(ALICE, ballot(1), 1, 2);
    other.ownerships.accepted(0, ALICE, ballot(1), 3, 300);
    other.ownerships.accepted(0, ALICE, ballot(1), 9, 900);
    other.silent.add(2);
    other.pass(TERM_MS);
    expect(other.epoch()).to.deep.equal(ballot(1));
  });

  it("goes on under a higher ballot of its own without being lost", () => {
    const bench = new Bench();
    bench.own(ALICE, ballot(1), 1, 2);
    bench.own(ALICE, ballot(2), 2, 3);
    expect(bench.epoch()).to.deep.equal(ballot(2));
    expect(bench.ownerships.ballot(ALICE)).to.deep.equal(ballot(2));
    expect(bench.ownerships.firstEpoch(0, ALICE)).to.deep.equal(ballot(1));
    expect(bench.losses()).to.deep.equal([]);
    expect(bench.ownerships.size).to.equal(1);
  });

  it("that had lapsed is told lost before a new one begins", () => {
    const bench = new Bench();
    bench.own(ALICE, ballot(1), 1, 2);
    bench.silent.add(1).add(2);
    bench.pass(TERM_MS);
    bench.silent.clear();
    bench.pass(5_000);
    bench.own(ALICE, ballot(2), 1, 2);
    expect(bench.losses()).to.deep.equal([{ reason: "expired", epoch: ballot(1), to: undefined }]);
    expect(bench.epoch()).to.deep.equal(ballot(2));
    expect(bench.ownerships.firstEpoch(bench.nowMs, ALICE)).to.deep.equal(ballot(2));
  });

  it("ends on purpose with the reason given, and tells whom to tell", () => {
    const bench = new Bench();
    bench.own(ALICE, ballot(1), 1, 2);
    expect(bench.ownerships.end(0, ALICE, "handed-over", ballot(9))?.members).to.deep.equal([1, 2, 3]);
    expect(bench.losses()).to.deep.equal([{ reason: "handed-over", epoch: ballot(1), to: ballot(9) }]);
    expect(bench.ownerships.end(0, ALICE, "released", undefined)).to.equal(undefined);
    expect(bench.losses()).to.deep.equal([]);
  });

  it("that is ended after it lapsed had expired", () => {
    const bench = new Bench();
    bench.own(ALICE, ballot(1), 1, 2);
    bench.silent.add(1).add(2).add(3);
    bench.pass(TERM_MS);
    bench.ownerships.end(bench.nowMs, ALICE, "released", undefined);
    expect(bench.losses()[0]?.reason).to.equal("expired");
  });

  it("keeps its leases in use, and no longer than it lasts", () => {
    const bench = new Bench();
    bench.own(ALICE, ballot(1), 1, 2, 3);
    bench.pass(200_000);
    expect([...bench.leases.members()]).to.have.members([1, 2, 3]);
    bench.ownerships.end(bench.nowMs, ALICE, "released", undefined);
    bench.pass(200_000);
    expect([...bench.leases.members()]).to.deep.equal([]);
  });
});

describe("catch-up", () => {
  it("tells a replica that lacks the ballot, as its incarnation is, and counts its acceptance", () => {
    const bench = new Bench();
    bench.own(ALICE, ballot(1), 1, 2);
    bench.ownerships.catchUp(0, ALICE);
    const [push, ...more] = bench.accepts();
    expect(more).to.deep.equal([]);
    expect(push).to.deep.include({ to: 3 });
    expect(push?.message).to.deep.include({ aor: ALICE, ballot: ballot(1), boot: 1, incarnation: 3 });
    bench.take(push!);
    bench.silent.add(2);
    bench.pass(3 * TERM_MS);
    expect(bench.epoch()).to.deep.equal(ballot(1));
  });

  it("is for every AoR when a replica's lease begins anew", () => {
    const bench = new Bench();
    const users = numbersTo(20).map((number) => parseAor(`sip:user${number}@example.com`));
    for (const aor of users) bench.own(aor, ballot(1), 1, 2, 3);
    bench.sessions.set(3, 301);
    bench.pass(PATIENCE_MS);
    const pushes = bench.accepts();
    expect(pushes.map(({ message }) => message.aor)).to.have.members(users);
    expect(new Set(pushes.map(({ to }) => to))).to.deep.equal(new Set([3]));
    for (const push of pushes) bench.take(push);
    bench.silent.add(2);
    bench.pass(30_000);
    for (const aor of users) expect(bench.epoch(aor)).to.deep.equal(ballot(1));
  });

  it("keeps to its window, and goes on at each answer", () => {
    const bench = new Bench(testRoster(3), { catchUpWindow: 4 });
    for (const number of numbersTo(10)) bench.own(parseAor(`sip:user${number}@example.com`), ballot(1), 1, 2, 3);
    bench.sessions.set(3, 301);
    bench.pass(PATIENCE_MS);
    const first = bench.accepts();
    expect(first).to.have.length(4);
    bench.take(first[0]!);
    expect(bench.accepts()).to.have.length(1);
    for (const push of first.slice(1)) bench.take(push);
    expect(bench.accepts()).to.have.length(3);
  });

  it("asks again when no answer comes, or a refusal that time will mend", () => {
    const bench = new Bench();
    bench.own(ALICE, ballot(1), 1, 2);
    bench.ownerships.catchUp(0, ALICE);
    expect(bench.accepts()).to.have.length(1);
    bench.pass(PATIENCE_MS);
    const [second] = bench.accepts();
    expect(second?.to).to.equal(3);
    const { op } = second!.message;
    bench.answer(3, { type: "refused", op, reason: "abstaining", promised: ballot(0) });
    expect(bench.accepts()).to.deep.equal([]);
    bench.pass(PATIENCE_MS);
    expect(bench.accepts()).to.have.length(1);
  });

  it("asks for a higher ballot where a replica has promised one", () => {
    const bench = new Bench();
    bench.own(ALICE, ballot(1), 1, 2);
    bench.ownerships.catchUp(0, ALICE);
    const { op } = bench.accepts()[0]!.message;
    const promised = { version: 1, counter: 40, member: 2 };
    bench.answer(3, { type: "refused", op, reason: "promised", promised });
    expect(bench.reclaimed).to.deep.equal([ALICE]);
    expect(bench.context.nextBallot().counter).to.equal(41);
  });

  it("is none of an AoR that was let go meanwhile", () => {
    const bench = new Bench();
    bench.own(ALICE, ballot(1), 1, 2);
    bench.ownerships.catchUp(0, ALICE);
    bench.accepts();
    bench.ownerships.end(0, ALICE, "released", undefined);
    bench.pass(5 * PATIENCE_MS);
    expect(bench.accepts()).to.deep.equal([]);
  });

  it("waits for a lease", () => {
    const bench = new Bench();
    bench.silent.add(3);
    bench.own(ALICE, ballot(1), 1, 2);
    bench.ownerships.catchUp(0, ALICE);
    expect(bench.accepts()).to.deep.equal([]);
    bench.silent.clear();
    bench.pass(PATIENCE_MS);
    expect(bench.accepts().map(({ to }) => to)).to.deep.equal([3]);
  });
});

describe("a change of the voters", () => {
  const stable = testRoster(5, { voters: [1, 2, 3] });
  const joint = jointAfter(stable, [1, 4, 5]);

  it("leaves an ownership standing by the old voters until the new have caught up", () => {
    const bench = new Bench(stable);
    bench.own(ALICE, ballot(1), 1, 2, 3);
    bench.install(joint);
    expect(bench.epoch()).to.deep.equal(ballot(1));
    expect(bench.ownerships.settled(0)).to.equal(false);
    const pushes = bench.accepts();
    expect(pushes.map(({ to }) => to)).to.have.members([4, 5]);
    bench.take(pushes[0]!);
    expect(bench.ownerships.settled(0)).to.equal(true);
    bench.pass(60_000);
    expect(bench.epoch()).to.deep.equal(ballot(1));
    expect(bench.losses()).to.deep.equal([]);
  });

  it("does not extend what stands by the old voters: renewals after the change do not count for it", () => {
    const bench = new Bench(stable);
    bench.own(ALICE, ballot(1), 1, 2, 3);
    bench.install(joint);
    bench.pass(TERM_MS - 1);
    expect(bench.epoch()).to.deep.equal(ballot(1));
    expect(bench.leases.generation(bench.nowMs, 2), "the leases go on").to.be.above(0);
    bench.pass(1);
    expect(bench.epoch()).to.equal(undefined);
    expect(bench.ownerships.settled(bench.nowMs), "nothing depends on it any more").to.equal(true);
  });

  it("is settled at once for what stands by both", () => {
    const bench = new Bench(stable);
    bench.own(ALICE, ballot(1), 1, 2, 3);
    bench.install(jointAfter(stable, [1, 2, 3, 4, 5]));
    expect(bench.ownerships.settled(0), "three of five").to.equal(true);
  });

  it("to the stable version counts the new voters only", () => {
    const bench = new Bench(stable);
    bench.own(ALICE, ballot(1), 1, 2, 3);
    bench.install(joint);
    for (const push of bench.accepts()) bench.take(push);
    bench.install(stableAfter(joint));
    bench.silent.add(2).add(3);
    bench.pass(60_000);
    expect(bench.epoch()).to.deep.equal(ballot(1));
    bench.silent.add(4).add(5);
    bench.pass(TERM_MS);
    expect(bench.epoch()).to.equal(undefined);
  });

  it("to the stable version ends what stood by the old voters only", () => {
    const bench = new Bench(stable);
    bench.own(ALICE, ballot(1), 1, 2, 3);
    bench.install(joint);
    bench.install(stableAfter(joint));
    expect(bench.epoch()).to.equal(undefined);
    expect(bench.losses()).to.deep.equal([{ reason: "expired", epoch: ballot(1), to: undefined }]);
  });

  it("that was missed gives no time: what does not stand by the version that came is lost", () => {
    const bench = new Bench(stable);
    bench.own(ALICE, ballot(1), 1, 2, 3);
    bench.install({ ...joint, version: joint.version + 2 });
    expect(bench.epoch()).to.equal(undefined);
    expect(bench.losses()).to.have.length(1);
  });

  it("finds out what had lapsed before it", () => {
    const bench = new Bench(stable);
    bench.own(ALICE, ballot(1), 1, 2, 3);
    bench.silent.add(1).add(2).add(3);
    bench.pass(TERM_MS);
    bench.install(joint);
    expect(bench.losses()).to.have.length(1);
    expect(bench.ownerships.settled(bench.nowMs)).to.equal(true);
  });

  it("moves the use of leases from the replicas that go to those that come", () => {
    const bench = new Bench(stable);
    bench.own(ALICE, ballot(1), 1, 2, 3);
    bench.install(joint);
    for (const push of bench.accepts()) bench.take(push);
    bench.install(stableAfter(joint));
    bench.pass(200_000);
    expect([...bench.leases.members()]).to.have.members([1, 4, 5]);
  });

  it("does not let a session of the replica that was replaced count for the old voters", () => {
    const bench = new Bench(stable);
    bench.own(ALICE, ballot(1), 1, 2);
    bench.install(joint);
    bench.silent.add(4).add(5);
    bench.sessions.set(2, 201);
    bench.pass(PATIENCE_MS);
    // The frozen lease is what it was at the change: the replica cannot take back what it granted.
    expect(bench.epoch()).to.deep.equal(ballot(1));
    bench.pass(TERM_MS - PATIENCE_MS);
    expect(bench.epoch()).to.equal(undefined);
  });
});
