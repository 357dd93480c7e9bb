import { expect } from "chai";
import { parseAor } from "../../../../dht-schema/aor.ts";
import type { Ballot } from "../../../../dht-schema/ballot.ts";
import { NO_BALLOT } from "../../../../dht-schema/ballot.ts";
import type { DirectoryMessage, MessageOf } from "../../../../dht-schema/directory-messages.ts";
import { Replica } from "../../../../node/directory/core/replica.ts";
import type { DirectoryTuning } from "../../../../node/directory/core/context.ts";
import { CoreContext } from "../../../helpers/core-context.ts";

const ALICE = parseAor("sip:alice@example.com");
const BOB = parseAor("sip:bob@example.com");
const LEASE_MS = 10_000;
/** First session of the incarnation that the replica of these tests has. */
const FIRST_SESSION = 7 * 2 ** 30 + 1;

const ballot = (counter: number, member: number, version = 1): Ballot => ({ version, counter, member });

/** A replica on server 1, in its seventh life unless told otherwise, which needs no abstention. */
class Bench {
  readonly context: CoreContext;
  readonly replica: Replica;
  #op = 0;

  constructor(
    init: {
      readonly boot?: number;
      readonly abstainsUntilMs?: number;
      readonly floor?: Ballot;
      readonly ceiling?: number;
      readonly tuning?: Partial<DirectoryTuning>;
    } = {},
  ) {
    this.context = new CoreContext({ boot: init.boot ?? 7, tuning: init.tuning ?? {} });
    this.replica = new Replica(this.context, {
      abstainsUntilMs: init.abstainsUntilMs ?? 0,
      floor: init.floor ?? NO_BALLOT,
      ceiling: init.ceiling ?? 1_000_000,
    });
  }

  /** What the replica sends because of a message. */
  tell(nowMs: number, from: number, message: DirectoryMessage): { to: number; message: DirectoryMessage }[] {
    this.context.agenda.runDue(nowMs);
    this.context.takeSent();
    this.replica.receive(nowMs, from, message);
    return this.context.takeSent();
  }

  /** The one answer to a request. */
  ask(nowMs: number, from: number, message: DirectoryMessage): DirectoryMessage {
    const sent = this.tell(nowMs, from, message);
    expect(sent.filter(({ to }) => to === from)).to.have.length(1);
    return sent.find(({ to }) => to === from)?.message as DirectoryMessage;
  }

  renew(nowMs: number, from: number, boot = 1): number {
    const answer = this.ask(nowMs, from, { type: "renew", op: ++this.#op, boot });
    expect(answer).to.include({ type: "renewed", op: this.#op });
    return (answer as MessageOf<"renewed">).session;
  }

  /** @param boot where the replica is to accept at once if nobody else holds the AoR */
  prepare(nowMs: number, proposed: Ballot, aor = ALICE, boot?: number): DirectoryMessage {
    return this.ask(nowMs, proposed.member, { type: "prepare", op: ++this.#op, aor, ballot: proposed, boot });
  }

  accept(nowMs: number, proposed: Ballot, changes: Partial<MessageOf<"accept">> = {}): DirectoryMessage {
    const { boot } = this.context;
    const sent = this.tell(nowMs, proposed.member, {
      type: "accept",
      op: ++this.#op,
      aor: ALICE,
      ballot: proposed,
      boot: 1,
      incarnation: boot,
      ...changes,
    });
    return sent[0]?.message as DirectoryMessage;
  }

  read(nowMs: number, aor = ALICE): MessageOf<"state"> {
    return this.ask(nowMs, 9, { type: "read", op: ++this.#op, aor }) as MessageOf<"state">;
  }

  notices(sent: readonly { to: number; message: DirectoryMessage }[]): MessageOf<"notice">[] {
    return sent.flatMap(({ message }) => (message.type === "notice" ? [message] : []));
  }
}

describe("a replica's sessions", () => {
  it("begin at the first renewal with a fresh id, and tell the incarnation", () => {
    const bench = new Bench();
    const answer = bench.ask(0, 2, { type: "renew", op: 5, boot: 3 });
    expect(answer).to.deep.equal({ type: "renewed", op: 5, session: FIRST_SESSION, incarnation: 7, notices: 0 });
  });

  it("keep their id while they are renewed within the term", () => {
    const bench = new Bench();
    const session = bench.renew(0, 2);
    for (const nowMs of [9_999, 19_998, 29_997]) expect(bench.renew(nowMs, 2)).to.equal(session);
  });

  it("end when the term is over, and never revive: the next renewal has another id", () => {
    const bench = new Bench();
    const session = bench.renew(0, 2);
    expect(bench.renew(LEASE_MS, 2)).to.equal(session + 1);
  });

  it("end at the term even when nobody looks at them in between", () => {
    const bench = new Bench();
    bench.renew(0, 2);
    bench.context.agenda.runDue(LEASE_MS);
    expect(bench.replica.stats(LEASE_MS).sessions).to.equal(0);
  });

  it("are another's when the server started again: what it accepted before no longer counts", () => {
    const bench = new Bench();
    const session = bench.renew(0, 2, 1);
    bench.prepare(0, ballot(1, 2));
    bench.accept(0, ballot(1, 2));
    expect(bench.read(1).accepted).to.include({ boot: 1, validForMs: LEASE_MS - 1 });
    expect(bench.renew(1, 2, 2)).to.equal(session + 1);
    expect(bench.read(1).accepted).to.deep.equal({ ballot: ballot(1, 2), boot: 1, validForMs: 0 });
  });

  it("are not given to an earlier start of a server whose later one has a session", () => {
    const bench = new Bench();
    const session = bench.renew(0, 2, 4);
    expect(bench.tell(1, 2, { type: "renew", op: 99, boot: 3 })).to.deep.equal([]);
    expect(bench.renew(2, 2, 4)).to.equal(session);
  });

  it("have ids that no other incarnation has", () => {
    const ids = [6, 7, 8].map((boot) => new Bench({ boot }).renew(0, 2));
    expect(ids[1]! - ids[0]!).to.equal(2 ** 30);
    expect(ids[2]! - ids[1]!).to.equal(2 ** 30);
  });
});

describe("a replica asked to accept at once", () => {
  it("does, where nobody holds the AoR, and tells the watchers", () => {
    const bench = new Bench();
    const session = bench.renew(0, 2);
    bench.renew(0, 3);
    bench.tell(0, 3, { type: "watch", aor: ALICE, order: 1 });
    const sent = bench.tell(0, 2, { type: "prepare", op: 3, aor: ALICE, ballot: ballot(5, 2), boot: 1 });
    expect(sent[0]).to.deep.equal({ to: 2, message: { type: "accepted", op: 3, session } });
    expect(bench.notices(sent)).to.have.length(1);
    expect(bench.read(0)).to.deep.include({ promised: ballot(5, 2) });
    expect(bench.read(0).accepted?.ballot).to.deep.equal(ballot(5, 2));
  });

  it("does, where only sessions that are over or the claimant's own hold the AoR", () => {
    const bench = new Bench();
    bench.renew(0, 2);
    bench.accept(0, ballot(5, 2));
    bench.renew(10_000, 3);
    expect(bench.prepare(10_001, ballot(6, 3), ALICE, 1)).to.include({ type: "accepted" });
    expect(bench.prepare(10_001, ballot(7, 3), ALICE, 1)).to.include({ type: "accepted" });
  });

  it("only promises, where another server holds the AoR as valid, and goes on holding that", () => {
    const bench = new Bench();
    bench.renew(0, 2);
    bench.accept(0, ballot(5, 2));
    bench.renew(0, 3);
    expect(bench.prepare(1, ballot(6, 3), ALICE, 1)).to.deep.include({
      type: "promised",
      accepted: { ballot: ballot(5, 2), boot: 1, validForMs: 9_999 },
    });
    expect(bench.read(1).accepted?.ballot).to.deep.equal(ballot(5, 2));
  });

  it("only promises without a live session of that boot", () => {
    const bench = new Bench();
    expect(bench.prepare(0, ballot(5, 2), ALICE, 1)).to.include({ type: "promised" });
    bench.renew(0, 2);
    expect(bench.prepare(0, ballot(6, 2), ALICE, 2)).to.include({ type: "promised" });
    expect(bench.prepare(10_001, ballot(7, 2), ALICE, 1)).to.include({ type: "promised" });
    expect(bench.read(10_001).accepted).to.equal(undefined);
  });

  it("refuses what it would not promise", () => {
    const bench = new Bench();
    bench.renew(0, 2);
    bench.renew(0, 3);
    bench.prepare(0, ballot(6, 3));
    expect(bench.prepare(0, ballot(5, 2), ALICE, 1)).to.include({ type: "refused", reason: "promised" });
  });
});

describe("a replica's promise", () => {
  it("is given for a free AoR and reports that nothing was accepted", () => {
    const bench = new Bench();
    expect(
      bench.ask(0, 2, { type: "prepare", op: 3, aor: ALICE, ballot: ballot(5, 2), boot: undefined }),
    ).to.deep.equal({
      type: "promised",
      op: 3,
      incarnation: 7,
      accepted: undefined,
    });
    expect(bench.read(0)).to.deep.include({ promised: ballot(5, 2), accepted: undefined, abstaining: false });
  });

  it("needs no session", () => {
    expect(new Bench().prepare(0, ballot(1, 2)).type).to.equal("promised");
  });

  it("is refused at or below what was promised before, and says what that was", () => {
    const bench = new Bench();
    bench.prepare(0, ballot(5, 2));
    for (const low of [ballot(5, 2), ballot(5, 1), ballot(4, 9)]) {
      expect(bench.prepare(0, low)).to.deep.include({ type: "refused", reason: "promised", promised: ballot(5, 2) });
    }
    expect(bench.prepare(0, ballot(5, 3)).type).to.equal("promised");
    expect(bench.prepare(0, ballot(1, 1, 2)).type, "a later roster version is above every counter").to.equal(
      "promised",
    );
  });

  it("is per AoR", () => {
    const bench = new Bench();
    bench.prepare(0, ballot(5, 2));
    expect(bench.prepare(0, ballot(1, 3), BOB).type).to.equal("promised");
  });

  it("reports what was accepted with what is left of its session, rounded up", () => {
    const bench = new Bench();
    bench.renew(0, 2);
    bench.prepare(0, ballot(1, 2));
    bench.accept(0, ballot(1, 2));
    const state = (nowMs: number, counter: number) =>
      (bench.prepare(nowMs, ballot(counter, 3)) as MessageOf<"promised">).accepted;
    expect(state(9_999.5, 2)).to.deep.equal({ ballot: ballot(1, 2), boot: 1, validForMs: 1 });
    expect(state(10_000, 3)).to.deep.equal({ ballot: ballot(1, 2), boot: 1, validForMs: 0 });
  });

  it("stays valid through renewals of the very session, and not under the next one", () => {
    const bench = new Bench();
    bench.renew(0, 2);
    bench.prepare(0, ballot(1, 2));
    bench.accept(0, ballot(1, 2));
    bench.renew(6_000, 2);
    expect(bench.read(12_000).accepted?.validForMs).to.equal(4_000);
    bench.renew(16_000, 2);
    expect(bench.read(16_000).accepted?.validForMs).to.equal(0);
    expect(bench.replica.valid(16_000, ALICE)).to.equal(undefined);
  });
});

describe("a replica that holds a proposal of the server that asks", () => {
  const told = (bench: Bench, counter: number, server: number) =>
    (bench.prepare(0, ballot(counter, server)) as MessageOf<"promised">).accepted;

  it("tells it what another was the last to have before", () => {
    const bench = new Bench();
    for (const server of [2, 3, 4]) bench.renew(0, server);
    bench.accept(0, ballot(1, 2));
    bench.accept(0, ballot(2, 3));
    bench.accept(0, ballot(3, 3));
    expect(told(bench, 4, 3)).to.deep.equal({ ballot: ballot(1, 2), boot: 1, validForMs: 0 });
    expect(told(bench, 5, 2), "all others hear of what it holds").to.deep.include({ ballot: ballot(3, 3) });
    // Given up by a release that never came, and under a proposal that is given up.
    bench.accept(0, ballot(6, 4));
    bench.tell(0, 4, { type: "release", aor: ALICE, ballot: ballot(6, 4) });
    expect(told(bench, 7, 3)).to.deep.include({ ballot: ballot(1, 2) });
    expect(told(bench, 8, 2)).to.deep.include({ ballot: ballot(3, 3), validForMs: 0 });
  });

  it("tells it of that where no other has had it", () => {
    const bench = new Bench();
    bench.renew(0, 3);
    for (const counter of [1, 2]) bench.accept(0, ballot(counter, 3));
    expect(told(bench, 3, 3)).to.deep.equal({ ballot: ballot(2, 3), boot: 1, validForMs: LEASE_MS });
  });
});

describe("a replica's acceptance", () => {
  it("takes the owner under its session, answers with that session, and is reported as valid", () => {
    const bench = new Bench();
    const session = bench.renew(0, 2);
    bench.prepare(0, ballot(1, 2));
    expect(bench.accept(0, ballot(1, 2))).to.include({ type: "accepted", session });
    expect(bench.replica.valid(0, ALICE)).to.deep.equal(ballot(1, 2));
    expect([...bench.replica.holdings(0)]).to.deep.equal([{ aor: ALICE, epoch: ballot(1, 2), validForMs: LEASE_MS }]);
  });

  it("needs no promise of its own when none is higher, and then stands as one: catch-up", () => {
    const bench = new Bench();
    bench.renew(0, 2);
    expect(bench.accept(0, ballot(4, 2)).type).to.equal("accepted");
    expect(bench.prepare(0, ballot(3, 3))).to.deep.include({ type: "refused", promised: ballot(4, 2) });
    expect(bench.accept(1, ballot(4, 2)).type, "the same once more").to.equal("accepted");
  });

  it("is refused below a promise, and what was accepted stays", () => {
    const bench = new Bench();
    bench.renew(0, 2);
    bench.renew(0, 3);
    bench.accept(0, ballot(1, 2));
    bench.prepare(0, ballot(2, 3));
    expect(bench.accept(0, ballot(1, 2))).to.deep.include({
      type: "refused",
      reason: "promised",
      promised: ballot(2, 3),
    });
    expect(bench.read(0).accepted?.ballot).to.deep.equal(ballot(1, 2));
  });

  it("is refused when the promise was made by another incarnation", () => {
    const bench = new Bench();
    bench.renew(0, 2);
    bench.prepare(0, ballot(1, 2));
    for (const incarnation of [6, 8]) {
      expect(bench.accept(0, ballot(1, 2), { incarnation })).to.include({ type: "refused", reason: "incarnation" });
    }
    expect(bench.read(0).accepted).to.equal(undefined);
  });

  it("is refused without a live session of the very start that asks", () => {
    const bench = new Bench();
    bench.prepare(0, ballot(1, 2));
    expect(bench.accept(0, ballot(1, 2)), "none").to.include({ type: "refused", reason: "no-session" });
    bench.renew(0, 2, 1);
    expect(bench.accept(0, ballot(1, 2), { boot: 2 }), "a later start").to.include({ reason: "no-session" });
    expect(bench.accept(LEASE_MS, ballot(1, 2)), "over").to.include({ reason: "no-session" });
    bench.renew(LEASE_MS, 2, 3);
    expect(bench.accept(LEASE_MS, ballot(1, 2), { boot: 1 }), "an earlier start").to.include({ reason: "no-session" });
    expect(bench.read(0).accepted).to.equal(undefined);
  });
});

describe("a release", () => {
  it("frees the AoR at once and keeps the promise", () => {
    const bench = new Bench();
    bench.renew(0, 2);
    bench.accept(0, ballot(3, 2));
    bench.tell(0, 2, { type: "release", aor: ALICE, ballot: ballot(3, 2) });
    expect(bench.read(0)).to.deep.include({ accepted: undefined, promised: ballot(3, 2) });
  });

  it("by a higher ballot frees what was owned as well, and the replica remembers that it was", () => {
    const bench = new Bench();
    bench.renew(0, 2);
    bench.accept(0, ballot(3, 2));
    bench.tell(0, 2, { type: "release", aor: ALICE, ballot: ballot(9, 2) });
    const letGo = { ballot: ballot(3, 2), boot: 1, validForMs: 0 };
    expect(bench.read(0)).to.deep.include({ accepted: letGo, promised: ballot(3, 2) });
    expect(bench.replica.valid(0, ALICE)).to.equal(undefined);
    expect([...bench.replica.holdings(0)]).to.deep.equal([]);
    bench.tell(1, 2, { type: "release", aor: ALICE, ballot: ballot(3, 2) });
    expect(bench.read(1).accepted, "said again, by the very ballot").to.deep.equal(letGo);
  });

  it("of what was only proposed leaves what was owned before as it was remembered", () => {
    const bench = new Bench();
    for (const server of [2, 3]) bench.renew(0, server);
    bench.accept(0, ballot(3, 2));
    bench.tell(0, 2, { type: "release", aor: ALICE, ballot: ballot(4, 2) });
    for (const counter of [5, 6]) {
      bench.accept(0, ballot(counter, 3));
      expect(bench.read(0).accepted).to.deep.include({ ballot: ballot(counter, 3) });
      bench.tell(0, 3, { type: "release", aor: ALICE, ballot: ballot(counter, 3) });
      expect(bench.read(0).accepted).to.deep.equal({ ballot: ballot(3, 2), boot: 1, validForMs: 0 });
    }
  });

  it("is told to watchers once, and the end of the session not again", () => {
    const bench = new Bench();
    bench.renew(0, 2);
    bench.renew(5_000, 3);
    bench.accept(5_000, ballot(3, 2));
    const told = (atMs: number, from: number, message: DirectoryMessage) => {
      bench.context.agenda.runDue(atMs);
      bench.replica.receive(atMs, from, message);
      return bench.context.takeSent().filter((sent) => sent.message.type === "notice");
    };
    expect(told(5_000, 3, { type: "watch", aor: ALICE, order: 1 })).to.have.length(1);
    expect(told(5_001, 2, { type: "release", aor: ALICE, ballot: ballot(9, 2) })).to.have.length(1);
    expect(told(5_002, 2, { type: "release", aor: ALICE, ballot: ballot(9, 2) })).to.deep.equal([]);
    expect(told(LEASE_MS + 1, 3, { type: "renew", op: 7, boot: 1 })).to.deep.equal([]);
  });

  it("is not taken from anybody but the owner, nor for a ballot below the one held", () => {
    const bench = new Bench();
    bench.renew(0, 2);
    bench.accept(0, ballot(3, 2));
    bench.tell(0, 3, { type: "release", aor: ALICE, ballot: ballot(3, 2) });
    bench.tell(0, 3, { type: "release", aor: ALICE, ballot: ballot(9, 3) });
    bench.tell(0, 2, { type: "release", aor: ALICE, ballot: ballot(2, 2) });
    bench.tell(0, 2, { type: "release", aor: BOB, ballot: ballot(3, 2) });
    expect(bench.replica.valid(0, ALICE)).to.deep.equal(ballot(3, 2));
  });
});

describe("a replica that has restarted", () => {
  const abstaining = () => new Bench({ abstainsUntilMs: 10_400, floor: ballot(64, 0xffff_ffff, 1), ceiling: 64 });

  it("refuses renew, prepare and accept until every lease of its former life has run out", () => {
    const bench = abstaining();
    const refusal = { type: "refused", reason: "abstaining", promised: NO_BALLOT };
    expect(bench.ask(10_399, 2, { type: "renew", op: 1, boot: 1 })).to.deep.include(refusal);
    expect(bench.prepare(10_399, ballot(100, 2))).to.deep.include(refusal);
    expect(bench.accept(10_399, ballot(100, 2))).to.deep.include(refusal);
    expect(bench.replica.stats(10_399)).to.deep.equal({ registers: 0, sessions: 0, watches: 0, abstainsForMs: 1 });
  });

  it("answers reads meanwhile, and says that it abstains", () => {
    expect(abstaining().read(0)).to.deep.include({ abstaining: true, promised: ballot(64, 0xffff_ffff) });
  });

  it("votes again afterwards, above its floor only", () => {
    const bench = abstaining();
    bench.replica.ceilingStored(1_000);
    bench.renew(10_400, 2);
    expect(bench.prepare(10_400, ballot(64, 2))).to.deep.include({
      type: "refused",
      reason: "promised",
      promised: ballot(64, 0xffff_ffff),
    });
    expect(bench.accept(10_400, ballot(63, 2))).to.include({ type: "refused", reason: "promised" });
    expect(bench.prepare(10_400, ballot(65, 2)).type).to.equal("promised");
  });
});

describe("the ballot ceiling", () => {
  it("is asked to be raised at the start, as the first ballots will be above it, and keeps them out until then", () => {
    const bench = new Bench({ ceiling: 100, tuning: { ceilingStep: 40 } });
    expect(bench.context.takeEvents()).to.deep.equal([{ kind: "raise-ceiling", counter: 140 }]);
    bench.renew(0, 2);
    expect(bench.prepare(0, ballot(101, 2))).to.include({ type: "refused", reason: "ceiling" });
    expect(bench.accept(0, ballot(101, 2))).to.include({ type: "refused", reason: "ceiling" });
    expect(bench.replica.stats(0).registers).to.equal(0);
    expect(bench.context.takeEvents(), "once").to.deep.equal([]);
    bench.replica.ceilingStored(140);
    expect(bench.prepare(0, ballot(101, 2)).type).to.equal("promised");
  });

  it("is asked to be raised before it is reached, once, and promises go on meanwhile", () => {
    const bench = new Bench({ ceiling: 100, tuning: { ceilingStep: 40 } });
    bench.replica.ceilingStored(140);
    bench.context.takeEvents();
    expect(bench.prepare(0, ballot(120, 2)).type).to.equal("promised");
    expect(bench.context.takeEvents()).to.deep.equal([]);
    expect(bench.prepare(0, ballot(121, 2)).type).to.equal("promised");
    expect(bench.prepare(0, ballot(140, 2)).type).to.equal("promised");
    expect(bench.context.takeEvents()).to.deep.equal([{ kind: "raise-ceiling", counter: 180 }]);
    expect(bench.prepare(0, ballot(141, 2))).to.include({ type: "refused", reason: "ceiling" });
  });

  it("rises far enough for a ballot that is far above it, and never sinks", () => {
    const bench = new Bench({ ceiling: 100, tuning: { ceilingStep: 40 } });
    bench.replica.ceilingStored(140);
    bench.context.takeEvents();
    bench.prepare(0, ballot(5_000, 2));
    expect(bench.context.takeEvents()).to.deep.equal([{ kind: "raise-ceiling", counter: 5_040 }]);
    bench.replica.ceilingStored(5_040);
    bench.replica.ceilingStored(100);
    expect(bench.prepare(0, ballot(5_000, 2)).type).to.equal("promised");
  });
});

describe("a full replica", () => {
  it("refuses new registers and goes on with those it has", () => {
    const bench = new Bench({ tuning: { registers: 1 } });
    bench.renew(0, 2);
    expect(bench.accept(0, ballot(1, 2)).type).to.equal("accepted");
    expect(bench.prepare(0, ballot(1, 2), BOB)).to.include({ type: "refused", reason: "full" });
    expect(bench.accept(0, ballot(1, 2), { aor: BOB })).to.include({ type: "refused", reason: "full" });
    expect(bench.prepare(0, ballot(2, 3)).type).to.equal("promised");
  });

  it("makes room by forgetting what is nobody's, and goes on refusing what it refused", () => {
    const bench = new Bench({ tuning: { registers: 1 } });
    bench.renew(0, 2);
    bench.accept(0, ballot(5, 2));
    bench.tell(0, 2, { type: "release", aor: ALICE, ballot: ballot(5, 2) });
    expect(bench.prepare(0, ballot(6, 3), BOB).type).to.equal("promised");
    expect(bench.replica.stats(0).registers).to.equal(1);
    expect(bench.read(0)).to.deep.include({ promised: ballot(5, 2), accepted: undefined });
    expect(bench.prepare(0, ballot(5, 2))).to.deep.include({ reason: "promised", promised: ballot(5, 2) });
    expect(bench.accept(0, ballot(4, 3))).to.deep.include({ reason: "promised", promised: ballot(5, 2) });
  });

  it("never forgets what a live session holds, and what a dead one held at once", () => {
    const bench = new Bench({ tuning: { registers: 1 } });
    bench.renew(0, 2);
    bench.accept(0, ballot(5, 2));
    expect(bench.prepare(LEASE_MS - 1, ballot(6, 3), BOB)).to.include({ reason: "full" });
    expect(bench.prepare(LEASE_MS, ballot(6, 3), BOB).type).to.equal("promised");
  });

  it("gives one server no more registers than stay free for the others", () => {
    const bench = new Bench({ tuning: { registers: 9 } });
    for (const server of [2, 3]) bench.renew(0, server);
    const claims = (server: number, count: number) =>
      Array.from({ length: count }, (_, at) => {
        const aor = parseAor(`sip:user${at}-of-${server}@example.com`);
        return bench.prepare(0, ballot(1, server), aor, 1).type;
      });
    expect(claims(2, 9).filter((type) => type === "accepted")).to.have.length(5);
    expect(claims(3, 9).filter((type) => type === "accepted")).to.have.length(2);
    expect(bench.replica.stats(0).registers).to.equal(7);
  });

  it("gives one server no more watches than stay free for the others", () => {
    const bench = new Bench({ tuning: { watches: 4 } });
    for (const server of [2, 3]) bench.renew(0, server);
    const watch = (server: number, at: number) =>
      bench.ask(0, server, { type: "watch", aor: parseAor(`sip:user${at}@example.com`), order: 1 }).type;
    expect([1, 2, 3].map((at) => watch(2, at))).to.deep.equal(["notice", "notice", "notWatched"]);
    expect([1, 2].map((at) => watch(3, at))).to.deep.equal(["notice", "notWatched"]);
    bench.tell(0, 2, { type: "unwatch", aor: parseAor("sip:user1@example.com"), order: 2 });
    expect(watch(3, 2)).to.equal("notice");
    expect(bench.replica.stats(0).watches).to.equal(3);
  });

  it("refuses a watch too many of one server, and none of another", () => {
    const bench = new Bench({ tuning: { watchesPerSession: 1 } });
    bench.renew(0, 2);
    bench.renew(0, 3);
    expect(bench.ask(0, 2, { type: "watch", aor: ALICE, order: 1 }).type).to.equal("notice");
    expect(bench.ask(0, 2, { type: "watch", aor: BOB, order: 1 })).to.include({
      type: "notWatched",
      aor: BOB,
      reason: "full",
    });
    expect(bench.ask(0, 2, { type: "watch", aor: ALICE, order: 1 }).type, "again the one it has").to.equal("notice");
    expect(bench.ask(0, 3, { type: "watch", aor: BOB, order: 1 }).type).to.equal("notice");
    expect(bench.replica.stats(0).watches).to.equal(2);
  });
});

describe("a watch at a replica", () => {
  it("is refused without a live session", () => {
    const bench = new Bench();
    expect(bench.ask(0, 2, { type: "watch", aor: ALICE, order: 1 })).to.include({
      type: "notWatched",
      reason: "no-session",
    });
    bench.renew(0, 2);
    expect(bench.ask(LEASE_MS, 2, { type: "watch", aor: ALICE, order: 1 })).to.include({ reason: "no-session" });
  });

  it("is answered at once with what is held, under the watcher's session", () => {
    const bench = new Bench();
    const session = bench.renew(0, 2);
    bench.renew(0, 3);
    expect(bench.ask(0, 2, { type: "watch", aor: ALICE, order: 1 })).to.deep.include({ session, accepted: undefined });
    bench.accept(0, ballot(1, 3));
    expect(bench.ask(0, 2, { type: "watch", aor: ALICE, order: 1 })).to.deep.include({
      accepted: { ballot: ballot(1, 3), boot: 1, validForMs: LEASE_MS },
    });
  });

  it("tells of every acceptance and release, and counts the notices of each session from 1", () => {
    const bench = new Bench();
    for (const server of [2, 3, 4]) bench.renew(0, server);
    const first = bench.ask(0, 2, { type: "watch", aor: ALICE, order: 1 });
    expect(first).to.deep.include({ sequence: 1, accepted: undefined });
    bench.tell(0, 3, { type: "watch", aor: BOB, order: 1 });
    const accept = { type: "accept", op: 1, aor: ALICE, boot: 1, incarnation: 7 } as const;
    const told = (from: number, message: DirectoryMessage) =>
      bench
        .notices(bench.tell(0, from, message))
        .map(({ sequence, accepted }) => ({ sequence, ballot: accepted?.ballot }));
    expect(told(3, { ...accept, ballot: ballot(1, 3) })).to.deep.equal([{ sequence: 2, ballot: ballot(1, 3) }]);
    expect(told(4, { ...accept, ballot: ballot(2, 4) })).to.deep.equal([{ sequence: 3, ballot: ballot(2, 4) }]);
    const released = told(4, { type: "release", aor: ALICE, ballot: ballot(2, 4) });
    expect(released, "what was owned before").to.deep.equal([{ sequence: 4, ballot: ballot(1, 3) }]);
    expect(bench.ask(0, 2, { type: "renew", op: 1, boot: 1 }), "so that a lost one is missed").to.include({
      notices: 4,
    });
    expect(bench.ask(0, 3, { type: "renew", op: 1, boot: 1 })).to.include({ notices: 1 });
    expect(bench.ask(0, 3, { type: "renew", op: 1, boot: 2 }), "another session").to.include({ notices: 0 });
  });

  it("tells nothing of other AoRs, nor of promises", () => {
    const bench = new Bench();
    bench.renew(0, 2);
    bench.renew(0, 3);
    bench.tell(0, 2, { type: "watch", aor: BOB, order: 1 });
    expect(
      bench.tell(0, 3, { type: "prepare", op: 1, aor: BOB, ballot: ballot(1, 3), boot: undefined }),
    ).to.have.length(1);
    bench.prepare(0, ballot(1, 3));
    expect(bench.notices([{ to: 0, message: bench.accept(0, ballot(1, 3)) }])).to.deep.equal([]);
  });

  it("tells that the owner's session ended: its term over, or its server started again", () => {
    for (const end of ["term", "start"] as const) {
      const bench = new Bench();
      bench.renew(0, 3);
      bench.accept(0, ballot(1, 3));
      bench.renew(5_000, 2);
      bench.tell(5_000, 2, { type: "watch", aor: ALICE, order: 1 });
      bench.context.takeSent();
      if (end === "term") bench.context.agenda.runDue(LEASE_MS);
      else bench.replica.receive(6_000, 3, { type: "renew", op: 1, boot: 2 });
      const [notice, ...more] = bench.notices(bench.context.takeSent());
      expect(more).to.deep.equal([]);
      expect(notice?.accepted).to.deep.equal({ ballot: ballot(1, 3), boot: 1, validForMs: 0 });
    }
  });

  it("ends with the watcher's session and with an unwatch", () => {
    const bench = new Bench();
    bench.renew(0, 2);
    bench.renew(0, 4);
    bench.tell(0, 2, { type: "watch", aor: ALICE, order: 1 });
    bench.tell(0, 4, { type: "watch", aor: ALICE, order: 1 });
    bench.tell(0, 4, { type: "unwatch", aor: ALICE, order: 2 });
    bench.tell(0, 5, { type: "unwatch", aor: ALICE, order: 2 });
    bench.renew(9_000, 3);
    expect(bench.replica.stats(9_000).watches).to.equal(1);
    bench.context.agenda.runDue(LEASE_MS);
    expect(bench.replica.stats(LEASE_MS).watches).to.equal(0);
    const accept = { type: "accept", op: 1, aor: ALICE, ballot: ballot(1, 3), boot: 1, incarnation: 7 } as const;
    expect(bench.notices(bench.tell(LEASE_MS, 3, accept))).to.deep.equal([]);
  });
});

describe("an unwatch that a later watch has overtaken on its way", () => {
  it("ends nothing, and a watch that an unwatch has overtaken is ended by the next", () => {
    const bench = new Bench();
    bench.renew(0, 2);
    bench.tell(0, 2, { type: "watch", aor: ALICE, order: 1 });
    bench.tell(0, 2, { type: "watch", aor: ALICE, order: 3 });
    bench.tell(0, 2, { type: "watch", aor: ALICE, order: 2 });
    bench.tell(0, 2, { type: "unwatch", aor: ALICE, order: 2 });
    expect(bench.replica.stats(0).watches).to.equal(1);
    bench.tell(0, 2, { type: "unwatch", aor: ALICE, order: 4 });
    expect(bench.replica.stats(0).watches).to.equal(0);
  });
});

describe("a message that is none of a replica's", () => {
  it("changes nothing and is not answered", () => {
    const bench = new Bench();
    expect(bench.tell(0, 2, { type: "settle", op: 1 })).to.deep.equal([]);
    expect(bench.tell(0, 2, { type: "accepted", op: 1, session: 1 })).to.deep.equal([]);
    expect(bench.replica.stats(0)).to.deep.equal({ registers: 0, sessions: 0, watches: 0, abstainsForMs: 0 });
  });
});
