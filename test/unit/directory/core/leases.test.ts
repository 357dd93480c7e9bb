import { expect } from "chai";
import type { MessageOf } from "../../../../dht-schema/directory-messages.ts";
import { Leases } from "../../../../node/directory/core/leases.ts";
import { CoreContext } from "../../../helpers/core-context.ts";

/** T·(1 − 2ρ) of the roster of these tests: 10 s and 1 %. */
const TERM_MS = 9_800;
const RENEW_EVERY_MS = 2_500;

/** The leases of server 1. */
class Bench {
  readonly context = new CoreContext();
  readonly live: { nowMs: number; member: number }[] = [];
  /** How many notices each renewal was answered with, of leases that went on. */
  readonly noticed: number[] = [];
  readonly leases = new Leases(this.context, {
    began: (nowMs, member) => void this.live.push({ nowMs, member }),
    renewed: (_nowMs, _member, _session, notices) => void this.noticed.push(notices),
  });

  /** The renewals sent since the last call. */
  renewals(): { readonly to: number; readonly message: MessageOf<"renew"> }[] {
    return this.context.takeOnly("renew");
  }

  renewal(): MessageOf<"renew"> {
    const [first, ...more] = this.renewals();
    expect(more).to.deep.equal([]);
    return first?.message as MessageOf<"renew">;
  }

  answer(nowMs: number, op: number, session: number, incarnation = 5, notices = 0): boolean {
    return this.context.answer(nowMs, 2, { type: "renewed", op, session, incarnation, notices });
  }

  /** A lease at server 2, asked for and granted at one instant. */
  begin(nowMs: number, session = 50): number {
    this.leases.use(nowMs, 2);
    this.answer(nowMs, this.renewal().op, session);
    return this.leases.generation(nowMs, 2);
  }
}

describe("a lease", () => {
  it("is not live before the replica has answered", () => {
    const { leases, context } = new Bench();
    leases.ensure(0, 2);
    expect(context.takeSent()).to.deep.equal([{ to: 2, message: { type: "renew", op: 1, boot: 1 } }]);
    expect(leases.generation(0, 2)).to.equal(0);
    expect(leases.session(2)).to.equal(0);
    expect(leases.incarnation(2)).to.equal(0);
  });

  it("runs for the term less the drift, from before the renewal was sent", () => {
    const bench = new Bench();
    bench.leases.ensure(1_000, 2);
    bench.answer(4_000, bench.renewal().op, 50);
    const generation = bench.leases.generation(4_000, 2);
    expect(generation).to.be.above(0);
    expect(bench.leases.expiryMs(2, generation)).to.equal(1_000 + TERM_MS);
    expect(bench.leases.generation(1_000 + TERM_MS - 0.001, 2)).to.equal(generation);
    expect(bench.leases.generation(1_000 + TERM_MS, 2)).to.equal(0);
    expect(bench.live).to.deep.equal([{ nowMs: 4_000, member: 2 }]);
  });

  it("tells session and incarnation of the replica, and which generation a session stands for", () => {
    const bench = new Bench();
    const generation = bench.begin(0);
    expect(bench.leases.session(2)).to.equal(50);
    expect(bench.leases.incarnation(2)).to.equal(5);
    expect(bench.leases.generationOf(0, 2, 50)).to.equal(generation);
    expect(bench.leases.generationOf(0, 2, 49), "another session").to.equal(0);
    expect(bench.leases.generationOf(TERM_MS, 2, 50), "over").to.equal(0);
    expect(bench.leases.generationOf(0, 3, 50), "no lease").to.equal(0);
  });

  it("is extended by renewals of the same session and keeps its generation", () => {
    const bench = new Bench();
    const generation = bench.begin(0);
    bench.context.agenda.runDue(RENEW_EVERY_MS);
    bench.answer(RENEW_EVERY_MS + 100, bench.renewal().op, 50);
    expect(bench.leases.generation(TERM_MS, 2)).to.equal(generation);
    expect(bench.leases.expiryMs(2, generation)).to.equal(RENEW_EVERY_MS + TERM_MS);
    expect(bench.live).to.have.length(1);
  });

  it("begins a new generation with another session of the replica: what was accepted before no longer counts", () => {
    const bench = new Bench();
    const generation = bench.begin(0);
    bench.context.agenda.runDue(RENEW_EVERY_MS);
    bench.answer(RENEW_EVERY_MS, bench.renewal().op, 51, 6);
    expect(bench.leases.generation(RENEW_EVERY_MS, 2)).not.to.equal(generation);
    expect(bench.leases.expiryMs(2, generation), "the former generation").to.equal(0);
    expect(bench.leases.incarnation(2)).to.equal(6);
    expect(bench.live).to.have.length(2);
  });

  it("never revives: an answer after it ran out begins a new generation even of the same session", () => {
    const bench = new Bench();
    const generation = bench.begin(0);
    bench.context.agenda.runDue(RENEW_EVERY_MS);
    const { op } = bench.renewal();
    bench.answer(TERM_MS, op, 50);
    expect(bench.leases.generation(TERM_MS, 2)).to.be.above(generation);
    expect(bench.leases.expiryMs(2, generation)).to.equal(0);
    expect(bench.live).to.have.length(2);
  });

  it("gains nothing from an answer that comes after the term it stands for", () => {
    const bench = new Bench();
    bench.leases.ensure(0, 2);
    bench.answer(TERM_MS, bench.renewal().op, 50);
    expect(bench.leases.generation(TERM_MS, 2)).to.equal(0);
    expect(bench.live).to.deep.equal([]);
  });

  it("is not shortened by the answer to an earlier renewal, nor extended twice by one answer", () => {
    const bench = new Bench();
    const generation = bench.begin(0);
    bench.context.agenda.runDue(RENEW_EVERY_MS);
    const early = bench.renewal().op;
    bench.context.agenda.runDue(2 * RENEW_EVERY_MS);
    const late = bench.renewal().op;
    bench.answer(5_001, late, 50);
    bench.answer(5_002, early, 50);
    expect(bench.leases.expiryMs(2, generation)).to.equal(2 * RENEW_EVERY_MS + TERM_MS);
    expect(bench.answer(5_003, late, 50), "nobody waits for it any more").to.equal(false);
  });

  it("does not go back to an earlier session", () => {
    const bench = new Bench();
    bench.begin(0);
    bench.context.agenda.runDue(RENEW_EVERY_MS);
    const early = bench.renewal().op;
    bench.context.agenda.runDue(2 * RENEW_EVERY_MS);
    bench.answer(5_001, bench.renewal().op, 51);
    bench.answer(5_002, early, 50);
    expect(bench.leases.session(2)).to.equal(51);
    expect(bench.live).to.have.length(2);
  });

  it("passes on how many notices were sent under the session, each time it is renewed", () => {
    const bench = new Bench();
    bench.begin(0);
    expect(bench.noticed, "a session that begins has sent none that were lost").to.deep.equal([]);
    bench.context.agenda.runDue(RENEW_EVERY_MS);
    bench.answer(RENEW_EVERY_MS, bench.renewal().op, 50, 5, 17);
    expect(bench.noticed).to.deep.equal([17]);
  });

  it("is not begun by a refusal", () => {
    const bench = new Bench();
    bench.leases.ensure(0, 2);
    const { op } = bench.renewal();
    const promised = { version: 0, counter: 0, member: 0 };
    bench.context.answer(1, 2, { type: "refused", op, reason: "abstaining", promised });
    expect(bench.leases.generation(1, 2)).to.equal(0);
    bench.context.agenda.runDue(RENEW_EVERY_MS);
    expect(bench.renewals(), "asked again").to.have.length(1);
  });

  it("has a name of its own in each generation, at whatever replica", () => {
    const bench = new Bench();
    bench.leases.ensure(0, 2);
    bench.leases.ensure(0, 3);
    for (const { to, message } of bench.renewals()) {
      bench.context.answer(0, to, { type: "renewed", op: message.op, session: 50, incarnation: 5, notices: 0 });
    }
    expect(bench.leases.generation(0, 2)).not.to.equal(bench.leases.generation(0, 3));
  });
});

describe("renewing", () => {
  it("is asked for once while a renewal is under way, however many claims need it", () => {
    const bench = new Bench();
    for (let i = 0; i < 10; i++) bench.leases.ensure(i, 2);
    expect(bench.renewals()).to.have.length(1);
    bench.leases.ensure(RENEW_EVERY_MS, 2);
    expect(bench.renewals(), "no answer came").to.have.length(1);
  });

  it("goes on every quarter of the term as long as the lease is in use", () => {
    const bench = new Bench();
    bench.begin(0);
    for (let round = 1; round <= 40; round++) {
      bench.context.agenda.runDue(round * RENEW_EVERY_MS);
      bench.answer(round * RENEW_EVERY_MS, bench.renewal().op, 50);
    }
    expect(bench.leases.generation(100_000, 2)).to.be.above(0);
    expect(bench.live).to.have.length(1);
  });

  it("goes on for some terms without use, then stops", () => {
    const bench = new Bench();
    bench.leases.ensure(0, 2);
    let renewals = 0;
    for (let nowMs = 0; nowMs <= 100_000; nowMs += RENEW_EVERY_MS) {
      bench.context.agenda.runDue(nowMs);
      for (const { message } of bench.renewals()) {
        renewals++;
        bench.answer(nowMs, message.op, 50);
      }
    }
    expect(renewals).to.equal(24);
    expect([...bench.leases.members()]).to.deep.equal([]);
    expect(bench.context.agenda.nextMs).to.equal(Infinity);
  });

  it("stops only when every use was dropped", () => {
    const bench = new Bench();
    bench.leases.use(0, 2);
    bench.leases.use(0, 2);
    bench.leases.drop(2);
    bench.context.agenda.runDue(100_000);
    expect([...bench.leases.members()]).to.deep.equal([2]);
    bench.leases.drop(2);
    bench.leases.drop(2);
    bench.leases.drop(9);
    bench.context.agenda.runDue(200_000);
    expect([...bench.leases.members()]).to.deep.equal([]);
  });

  it("happens at once when a link came up, and only for leases there are", () => {
    const bench = new Bench();
    bench.begin(0);
    bench.leases.refresh(100, 2);
    bench.leases.refresh(100, 3);
    expect(bench.renewals().map(({ to }) => to)).to.deep.equal([2]);
    bench.context.agenda.runDue(RENEW_EVERY_MS);
    expect(bench.renewals(), "the next is a quarter of a term after the last").to.deep.equal([]);
    bench.context.agenda.runDue(RENEW_EVERY_MS + 100);
    expect(bench.renewals()).to.have.length(1);
  });

  it("remembers a few renewals without an answer, not all", () => {
    const bench = new Bench();
    bench.begin(0);
    for (let i = 1; i <= 50; i++) bench.leases.refresh(i, 2);
    expect(bench.context.openOps).to.equal(4);
  });
});

describe("a lapse", () => {
  it("is told once, and again when the lease lapses anew", () => {
    const bench = new Bench();
    bench.begin(0);
    expect(bench.leases.newlyLapsed(TERM_MS - 1)).to.equal(false);
    expect(bench.leases.newlyLapsed(TERM_MS)).to.equal(true);
    expect(bench.leases.newlyLapsed(TERM_MS + 1)).to.equal(false);
    bench.leases.refresh(20_000, 2);
    bench.answer(20_000, bench.renewal().op, 51);
    expect(bench.leases.newlyLapsed(20_000)).to.equal(false);
    expect(bench.leases.newlyLapsed(20_000 + TERM_MS)).to.equal(true);
  });

  it("is none of a lease that never began", () => {
    const bench = new Bench();
    bench.leases.ensure(0, 2);
    expect(bench.leases.newlyLapsed(100_000)).to.equal(false);
  });
});

describe("a snapshot of the leases", () => {
  it("does not follow what happens to them afterwards", () => {
    const bench = new Bench();
    const generation = bench.begin(0);
    const snapshot = bench.leases.snapshot();
    bench.leases.refresh(5_000, 2);
    bench.answer(5_000, bench.renewal().op, 50);
    expect([...snapshot]).to.deep.equal([[2, { generation, expiresMs: TERM_MS }]]);
  });
});
