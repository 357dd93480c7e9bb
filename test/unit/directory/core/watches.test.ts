import { expect } from "chai";
import type { Aor } from "../../../../dht-schema/aor.ts";
import { parseAor } from "../../../../dht-schema/aor.ts";
import type { Ballot } from "../../../../dht-schema/ballot.ts";
import type { DirectoryMessage, MessageOf } from "../../../../dht-schema/directory-messages.ts";
import type { Roster } from "../../../../dht-schema/roster.ts";
import type { OwnerState } from "../../../../node/directory/core/context.ts";
import { Leases } from "../../../../node/directory/core/leases.ts";
import { Watches } from "../../../../node/directory/core/watches.ts";
import { CoreContext } from "../../../helpers/core-context.ts";
import { jointAfter, testRoster } from "../../../helpers/rosters.ts";

const ALICE = parseAor("sip:alice@example.com");
const BOB = parseAor("sip:bob@example.com");
const TERM_MS = 9_800;
const RENEW_EVERY_MS = 2_500;

const ballot = (counter: number, member: number): Ballot => ({ version: 1, counter, member });
const owner = (epoch: Ballot): OwnerState => ({ kind: "owner", epoch });
const NOBODY: OwnerState = { kind: "nobody" };
const MISSED: OwnerState = { kind: "missed" };

/** The watches of server 9, which is no replica; what the replicas 1, 2, 3 tell is the test's. */
class Bench {
  readonly context: CoreContext;
  readonly leases: Leases;
  readonly watches: Watches;
  /** Replicas that answer no renewals. */
  readonly silent = new Set<number>();
  readonly sessions = new Map<number, number>();
  /** Notices that each replica has sent under its session. */
  readonly sequences = new Map<number, number>();
  nowMs = 0;
  #sent: { to: number; message: DirectoryMessage }[] = [];

  constructor(roster: Roster = testRoster(9, { voters: [1, 2, 3] })) {
    this.context = new CoreContext({ self: 9, roster });
    this.leases = new Leases(this.context, {
      began: (nowMs, member) => this.watches.leaseBegan(nowMs, member),
      renewed: (nowMs, member, session, notices) => this.watches.leaseRenewed(nowMs, member, session, notices),
    });
    this.watches = new Watches(this.context, this.leases);
    for (const { number } of roster.servers) this.sessions.set(number, 100 * number);
  }

  watch(aor: Aor = ALICE): this {
    this.watches.start(this.nowMs, aor);
    this.#collect();
    return this;
  }

  pass(ms: number): this {
    const endMs = this.nowMs + ms;
    while (this.context.agenda.nextMs <= endMs) {
      this.nowMs = Math.max(this.nowMs, this.context.agenda.nextMs);
      this.context.agenda.runDue(this.nowMs);
      this.#collect();
    }
    this.nowMs = endMs;
    return this;
  }

  /** Who was asked since the last call to keep a watch. */
  registrations(aor: Aor = ALICE): number[] {
    return this.take("watch").flatMap(({ to, message }) => (message.aor === aor ? [to] : []));
  }

  take<T extends DirectoryMessage["type"]>(type: T): { to: number; message: MessageOf<T> }[] {
    this.#collect();
    const taken = this.#sent.filter(({ message }) => message.type === type);
    this.#sent = this.#sent.filter(({ message }) => message.type !== type);
    return taken as { to: number; message: MessageOf<T> }[];
  }

  /** The next notice of a replica: a ballot held as valid, or none. */
  notice(from: number, held: Ballot | undefined, aor: Aor = ALICE, validForMs = 5_000): MessageOf<"notice"> {
    const sequence = (this.sequences.get(from) ?? 0) + 1;
    this.sequences.set(from, sequence);
    const accepted = held && { ballot: held, boot: 1, validForMs };
    return { type: "notice", aor, session: this.sessions.get(from) as number, sequence, accepted };
  }

  tell(from: number, message: MessageOf<"notice">): void {
    this.watches.noticed(this.nowMs, from, message);
    this.#collect();
  }

  /** Replicas notice the same, one after the other. */
  all(held: Ballot | undefined, ...from: number[]): void {
    for (const replica of from) this.tell(replica, this.notice(replica, held));
  }

  /** What the watch was told since the last call. */
  told(aor: Aor = ALICE): OwnerState[] {
    return this.context
      .takeEvents()
      .flatMap((event) => (event.kind === "watched" && event.aor === aor ? [event.state] : []));
  }

  known(aor: Aor = ALICE): OwnerState | undefined {
    return this.watches.known(this.nowMs, aor);
  }

  #collect(): void {
    for (let sent = this.context.takeSent(); sent.length > 0; sent = this.context.takeSent()) {
      for (const { to, message } of sent) {
        if (message.type !== "renew") {
          this.#sent.push({ to, message });
          continue;
        }
        if (this.silent.has(to)) continue;
        this.context.answer(this.nowMs, to, {
          type: "renewed",
          op: message.op,
          session: this.sessions.get(to) as number,
          incarnation: 1,
          notices: this.sequences.get(to) ?? 0,
        });
      }
    }
  }
}

describe("a watch", () => {
  it("is registered once at every replica, as soon as there is a lease", () => {
    const bench = new Bench();
    bench.silent.add(3);
    bench.watch();
    expect(bench.registrations()).to.deep.equal([1, 2]);
    bench.all(undefined, 1, 2);
    bench.silent.clear();
    bench.pass(RENEW_EVERY_MS);
    expect(bench.registrations()).to.deep.equal([3]);
    expect(bench.watches.size).to.equal(1);
  });

  it("is one however often it is started", () => {
    const bench = new Bench().watch().watch();
    expect(bench.registrations()).to.deep.equal([1, 2, 3]);
    expect(bench.watches.size).to.equal(1);
  });

  it("knows nothing before a majority has told what it holds", () => {
    const bench = new Bench().watch();
    bench.all(undefined, 1);
    expect(bench.told()).to.deep.equal([]);
    expect(bench.known()).to.equal(undefined);
  });

  it("tells nobody, then every owner, each once", () => {
    const bench = new Bench().watch();
    bench.all(undefined, 1, 2, 3);
    expect(bench.told()).to.deep.equal([NOBODY]);
    bench.all(ballot(1, 7), 1, 2, 3);
    bench.all(ballot(2, 8), 1, 2, 3);
    expect(bench.told()).to.deep.equal([owner(ballot(1, 7)), owner(ballot(2, 8))]);
    expect(bench.known()).to.deep.equal(owner(ballot(2, 8)));
    bench.all(undefined, 1, 2, 3);
    expect(bench.told()).to.deep.equal([NOBODY]);
  });

  it("does not tell of a flicker while an AoR moves from one owner to the next, replica by replica", () => {
    const bench = new Bench(testRoster(9, { voters: [1, 2, 3, 4, 5] })).watch();
    bench.all(ballot(1, 7), 1, 2, 3, 4, 5);
    bench.told();
    bench.all(ballot(2, 8), 1, 2);
    expect(bench.told()).to.deep.equal([]);
    bench.all(ballot(2, 8), 3);
    expect(bench.told()).to.deep.equal([owner(ballot(2, 8))]);
    bench.all(ballot(2, 8), 4, 5);
    expect(bench.told()).to.deep.equal([]);
  });

  it("tells of an owner whose sessions ended as nobody", () => {
    const bench = new Bench().watch();
    bench.all(ballot(1, 7), 1, 2, 3);
    bench.told();
    for (const replica of [1, 2]) bench.tell(replica, bench.notice(replica, ballot(1, 7), ALICE, 0));
    expect(bench.told()).to.deep.equal([NOBODY]);
  });

  it("never goes back to an earlier owner", () => {
    const bench = new Bench().watch();
    bench.all(ballot(5, 8), 1, 2, 3);
    bench.told();
    bench.all(ballot(4, 7), 1, 2);
    expect(bench.told()).to.deep.equal([]);
    bench.all(undefined, 1, 2, 3);
    bench.all(ballot(4, 7), 1, 2);
    expect(bench.told()).to.deep.equal([NOBODY]);
    bench.all(ballot(5, 8), 1, 2);
    expect(bench.told(), "the same owner again").to.deep.equal([owner(ballot(5, 8))]);
  });

  it("keeps AoRs apart", () => {
    const bench = new Bench().watch().watch(BOB);
    for (const replica of [1, 2]) bench.tell(replica, bench.notice(replica, ballot(1, 7), BOB));
    expect(bench.context.takeEvents()).to.deep.equal([{ kind: "watched", aor: BOB, state: owner(ballot(1, 7)) }]);
    expect(bench.known(ALICE)).to.equal(undefined);
  });

  it("ends: its replicas are told, and told again when later notices come, which are ignored", () => {
    const bench = new Bench().watch();
    const begun = bench.take("watch").map(({ message }) => message.order);
    bench.watches.stop(ALICE);
    bench.watches.stop(ALICE);
    const ended = bench.take("unwatch");
    expect(ended.map(({ to }) => to)).to.deep.equal([1, 2, 3]);
    expect(Math.max(...begun), "what is overtaken can be told").to.be.lessThan(
      Math.min(...ended.map(({ message }) => message.order)),
    );
    bench.all(ballot(1, 7), 1, 2, 3);
    expect(bench.take("unwatch").map(({ to }) => to)).to.deep.equal([1, 2, 3]);
    expect(bench.told()).to.deep.equal([]);
    expect(bench.known()).to.equal(undefined);
    bench.pass(100_000);
    expect([...bench.leases.members()], "nor are its leases kept").to.deep.equal([]);
  });
});

describe("a notice", () => {
  it("is ignored from a server that is no replica, of another session, or without a lease", () => {
    const bench = new Bench().watch();
    const foreign = { ...bench.notice(4, ballot(1, 7)) };
    for (let i = 0; i < 3; i++) bench.tell(4, foreign);
    for (const replica of [1, 2, 3]) bench.tell(replica, { ...bench.notice(replica, ballot(1, 7)), session: 99 });
    expect(bench.told()).to.deep.equal([]);
    bench.silent.add(1).add(2).add(3);
    bench.pass(TERM_MS);
    bench.all(ballot(1, 7), 1, 2, 3);
    expect(bench.told()).to.deep.equal([]);
  });

  it("that was overtaken by a later one of the same replica is not believed", () => {
    const bench = new Bench().watch();
    bench.all(undefined, 1, 2, 3);
    bench.told();
    const early = [1, 2, 3].map((replica) => bench.notice(replica, ballot(1, 7)));
    bench.all(undefined, 1, 2, 3);
    for (const [index, notice] of early.entries()) bench.tell(index + 1, notice);
    expect(bench.told()).to.deep.equal([]);
  });

  it("that is told twice changes nothing the second time", () => {
    const bench = new Bench().watch();
    const notices = [1, 2, 3].map((replica) => bench.notice(replica, ballot(1, 7)));
    for (let i = 0; i < 2; i++) for (const [index, notice] of notices.entries()) bench.tell(index + 1, notice);
    expect(bench.told()).to.deep.equal([owner(ballot(1, 7))]);
  });

  it("that was lost is found out about at the next renewal: all watches there are registered again", () => {
    const bench = new Bench().watch().watch(BOB);
    bench.all(undefined, 1, 2, 3);
    for (const replica of [1, 2, 3]) bench.tell(replica, bench.notice(replica, undefined, BOB));
    bench.registrations();
    bench.notice(2, ballot(1, 7));
    bench.pass(RENEW_EVERY_MS);
    const again = bench.take("watch");
    expect(again.map(({ to, message }) => [to, message.aor])).to.have.deep.members([
      [2, ALICE],
      [2, BOB],
    ]);
    for (const { message } of again) bench.tell(2, bench.notice(2, undefined, message.aor));
    bench.pass(RENEW_EVERY_MS);
    expect(bench.take("watch"), "once").to.deep.equal([]);
  });

  it("that is late rather than lost is not asked for again once it has come", () => {
    const bench = new Bench().watch();
    bench.all(undefined, 1, 3);
    const [first, second] = [bench.notice(2, undefined), bench.notice(2, ballot(1, 7))];
    bench.registrations();
    bench.tell(2, second);
    bench.tell(2, first);
    bench.pass(RENEW_EVERY_MS);
    expect(bench.registrations()).to.deep.equal([]);
  });

  it("teaches the ballots it carries", () => {
    const bench = new Bench().watch();
    bench.all(ballot(70, 7), 1);
    expect(bench.context.nextBallot().counter).to.equal(71);
  });
});

describe("a watch that hears too few replicas", () => {
  it("knows nothing, and is told so once", () => {
    const bench = new Bench().watch();
    bench.all(ballot(1, 7), 1, 2, 3);
    bench.told();
    bench.silent.add(1);
    bench.pass(TERM_MS);
    bench.watches.leasesLapsed(bench.nowMs);
    expect(bench.told(), "a majority is left").to.deep.equal([]);
    bench.silent.add(2);
    bench.pass(TERM_MS);
    expect(bench.known()).to.equal(undefined);
    bench.watches.leasesLapsed(bench.nowMs);
    bench.watches.leasesLapsed(bench.nowMs);
    expect(bench.told()).to.deep.equal([MISSED]);
  });

  it("is told the present state when it hears a majority again, even if that is what it was before", () => {
    const bench = new Bench().watch();
    bench.all(ballot(1, 7), 1, 2, 3);
    for (const replica of [1, 2, 3]) bench.silent.add(replica);
    bench.pass(TERM_MS);
    bench.watches.leasesLapsed(bench.nowMs);
    bench.told();
    bench.registrations();
    bench.silent.clear();
    bench.pass(RENEW_EVERY_MS);
    expect(bench.registrations()).to.have.members([1, 2, 3]);
    bench.all(ballot(1, 7), 1);
    expect(bench.told()).to.deep.equal([]);
    bench.all(ballot(1, 7), 2);
    expect(bench.told()).to.deep.equal([owner(ballot(1, 7))]);
  });

  it("still knows what those hold whom it hears, when another comes back", () => {
    const bench = new Bench().watch();
    bench.all(undefined, 1, 2, 3);
    for (const replica of [2, 3]) bench.silent.add(replica);
    bench.pass(TERM_MS);
    bench.watches.leasesLapsed(bench.nowMs);
    expect(bench.told()).to.deep.equal([NOBODY, MISSED]);
    bench.silent.clear();
    bench.pass(RENEW_EVERY_MS);
    bench.all(undefined, 2);
    expect(bench.told()).to.deep.equal([NOBODY]);
  });

  it("is told nothing by the word of an owner that it would not hear the end of", () => {
    const bench = new Bench().watch();
    bench.all(ballot(1, 7), 1);
    bench.pass(100);
    expect(bench.told()).to.deep.equal([]);
    expect(bench.take("confirm")).to.deep.equal([]);
  });

  it("does not take what a replica told before for what it holds now", () => {
    const bench = new Bench().watch();
    bench.all(ballot(1, 7), 1, 2, 3);
    bench.told();
    for (const replica of [1, 2, 3]) bench.silent.add(replica);
    bench.pass(TERM_MS);
    bench.watches.leasesLapsed(bench.nowMs);
    bench.told();
    bench.silent.clear();
    bench.pass(RENEW_EVERY_MS);
    bench.all(ballot(2, 8), 3);
    expect(bench.told()).to.deep.equal([]);
  });

  it("was never told anything, so it has missed nothing", () => {
    const bench = new Bench();
    bench.silent.add(1).add(2).add(3);
    bench.watch().pass(TERM_MS);
    bench.watches.leasesLapsed(bench.nowMs);
    expect(bench.told()).to.deep.equal([]);
  });
});

describe("a replica that was asked and has not noticed", () => {
  it("is asked again with every renewal until it does: the request may have been lost with a link", () => {
    const bench = new Bench().watch().watch(BOB);
    bench.all(undefined, 1, 2, 3);
    for (const replica of [1, 3]) bench.tell(replica, bench.notice(replica, undefined, BOB));
    bench.take("watch");
    for (let i = 0; i < 3; i++) {
      bench.pass(RENEW_EVERY_MS);
      expect(bench.take("watch").map(({ to, message }) => [to, message.aor])).to.deep.equal([[2, BOB]]);
    }
    bench.tell(2, bench.notice(2, undefined, BOB));
    bench.pass(RENEW_EVERY_MS);
    expect(bench.take("watch")).to.deep.equal([]);
  });

  it("is not asked again for what is no longer watched", () => {
    const bench = new Bench().watch();
    bench.registrations();
    bench.watches.stop(ALICE);
    bench.pass(RENEW_EVERY_MS);
    expect(bench.registrations()).to.deep.equal([]);
  });
});

describe("a replica that refuses a watch", () => {
  it("is asked again with the next renewal, as often as it takes", () => {
    const bench = new Bench().watch();
    bench.all(undefined, 1, 3);
    bench.registrations();
    for (let i = 0; i < 3; i++) {
      bench.watches.refused(bench.nowMs, 2, ALICE);
      expect(bench.registrations()).to.deep.equal([]);
      bench.pass(RENEW_EVERY_MS);
      expect(bench.registrations()).to.deep.equal([2]);
    }
    bench.watches.refused(bench.nowMs, 2, BOB);
    expect(bench.watches.size).to.equal(1);
  });

  it("no longer counts as one that would tell of changes", () => {
    const bench = new Bench().watch();
    bench.all(undefined, 1, 2);
    bench.watches.refused(0, 2, ALICE);
    expect(bench.known()).to.equal(undefined);
  });
});

describe("news that only some replicas have", () => {
  it("is confirmed with the owner after a moment, and its word is told", () => {
    const bench = new Bench().watch();
    bench.all(undefined, 1, 2);
    bench.told();
    bench.all(ballot(1, 7), 3, 1);
    bench.all(undefined, 1);
    bench.pass(25);
    expect(bench.take("confirm"), "it is somebody, or nobody: two of three hold nothing").to.deep.equal([]);

    const other = new Bench().watch();
    other.all(ballot(1, 7), 1, 2, 3);
    other.told();
    other.all(ballot(2, 8), 3);
    other.pass(24);
    expect(other.take("confirm")).to.deep.equal([]);
    other.pass(1);
    const [asked, ...more] = other.take("confirm");
    expect(more).to.deep.equal([]);
    expect(asked).to.deep.include({ to: 8 });
    expect(asked?.message).to.deep.include({ aor: ALICE, ballot: ballot(2, 8) });
    const { op } = asked!.message;
    other.context.answer(other.nowMs, 8, { type: "confirmed", op, owned: ballot(3, 8), forwarded: undefined });
    expect(other.told()).to.deep.equal([owner(ballot(3, 8))]);
  });

  it("needs no confirmation when the other replicas tell the same in time", () => {
    const bench = new Bench().watch();
    bench.all(ballot(1, 7), 1, 2, 3);
    bench.all(ballot(2, 8), 3, 2);
    bench.told();
    bench.pass(1_000);
    expect(bench.take("confirm")).to.deep.equal([]);
  });

  it("is not told when the owner denies it, and is asked about again while it stays", () => {
    const bench = new Bench().watch();
    bench.all(ballot(1, 7), 1, 2, 3);
    bench.all(ballot(2, 8), 3);
    bench.told();
    bench.pass(25);
    const { op } = bench.take("confirm")[0]!.message;
    bench.context.answer(bench.nowMs, 8, { type: "confirmed", op, owned: undefined, forwarded: undefined });
    expect(bench.told()).to.deep.equal([]);
    bench.pass(275);
    expect(bench.take("confirm")).to.have.length(1);
    bench.all(ballot(1, 7), 3);
    bench.pass(1_000);
    expect(bench.take("confirm"), "the replica changed its mind").to.deep.equal([]);
  });

  it("is asked about again when no answer comes", () => {
    const bench = new Bench().watch();
    bench.all(ballot(1, 7), 1, 2, 3);
    bench.all(ballot(2, 8), 3);
    bench.pass(25);
    expect(bench.take("confirm")).to.have.length(1);
    bench.pass(275);
    expect(bench.take("confirm")).to.have.length(1);
  });

  for (const farMs of [100, 500, 1_900])
    it(`is confirmed by an owner who answers after ${farMs} ms, and is waited for longer each time`, () => {
      const bench = new Bench().watch();
      bench.all(ballot(1, 7), 1, 2, 3);
      bench.all(ballot(2, 8), 3);
      bench.told();
      const asked: { readonly op: number; readonly atMs: number }[] = [];
      while (bench.nowMs < 10_000) {
        bench.pass(25);
        for (const { message } of bench.take("confirm")) asked.push({ op: message.op, atMs: bench.nowMs });
        for (const { op } of asked.filter(({ atMs }) => atMs === bench.nowMs - farMs))
          bench.context.answer(bench.nowMs, 8, { type: "confirmed", op, owned: ballot(2, 8), forwarded: undefined });
      }
      expect(bench.told()).to.deep.equal([owner(ballot(2, 8))]);
      const askedAt = asked.map(({ atMs }) => atMs);
      expect(askedAt.slice(0, 4)).to.deep.equal([25, 300, 825, 1850].slice(0, askedAt.length));
    });

  it("makes what was told before unknown when no answer comes and no majority says who owns: changes may be missed", () => {
    const bench = new Bench().watch();
    bench.all(ballot(1, 7), 1, 2, 3);
    bench.told();
    bench.watches.refused(bench.nowMs, 2, ALICE);
    bench.all(ballot(2, 8), 3);
    bench.pass(25);
    expect(bench.told()).to.deep.equal([]);
    bench.pass(275);
    expect(bench.told()).to.deep.equal([{ kind: "missed" }]);
    bench.pass(275);
    expect(bench.told(), "once").to.deep.equal([]);
    bench.all(ballot(2, 8), 1);
    expect(bench.told()).to.deep.equal([{ kind: "owner", epoch: ballot(2, 8) }]);
  });
});

describe("a change of the voters", () => {
  const stable = testRoster(9, { voters: [1, 2, 3] });
  const joint = jointAfter(stable, [2, 3, 4]);
  const changed = () => {
    const bench = new Bench(stable).watch();
    bench.all(ballot(1, 7), 1, 2, 3);
    bench.told();
    bench.registrations();
    bench.context.install(joint);
    bench.watches.rosterChanged(bench.nowMs);
    return bench;
  };

  it("registers the watch at the replicas that come", () => {
    expect(changed().registrations()).to.include(4);
  });

  it("asks again where a request under the former version may have been dropped", () => {
    const bench = new Bench(stable).watch();
    bench.all(undefined, 1, 3);
    bench.registrations();
    bench.context.install(joint);
    bench.watches.rosterChanged(bench.nowMs);
    bench.leases.refresh(bench.pass(1).nowMs, 2);
    expect(bench.registrations()).to.have.members([2, 4]);
  });

  it("tells what it knows on by majorities of both groups", () => {
    const bench = changed();
    expect(bench.known(), "two of three hear in each group").to.deep.equal(owner(ballot(1, 7)));
    bench.all(ballot(2, 8), 1, 2);
    expect(bench.told(), "not yet in the new group").to.deep.equal([]);
    bench.all(ballot(2, 8), 4);
    expect(bench.told()).to.deep.equal([owner(ballot(2, 8))]);
  });

  it("is told what those agree on who are left", () => {
    const bench = new Bench(joint).watch();
    bench.all(ballot(1, 7), 1, 2);
    expect(bench.told(), "of the new group only one is heard").to.deep.equal([]);
    bench.context.install({ ...stable, version: 3 });
    bench.watches.rosterChanged(bench.nowMs);
    expect(bench.told()).to.deep.equal([owner(ballot(1, 7))]);
  });

  it("forgets the replicas that go", () => {
    const bench = changed();
    bench.context.install({ ...joint, version: 3, oldVoters: [] });
    bench.watches.rosterChanged(bench.nowMs);
    bench.all(ballot(2, 8), 1);
    bench.pass(100);
    expect(bench.told()).to.deep.equal([]);
    bench.pass(100_000);
    expect([...bench.leases.members()]).to.have.members([2, 3, 4]);
  });
});

describe("a watch of which a replica is no longer heard", () => {
  it("takes no word of that replica's for the present: what the others hold may be owned", () => {
    const bench = new Bench().watch();
    bench.pass(10);
    bench.all(undefined, 3);
    bench.all(ballot(1, 7), 1);
    bench.all(ballot(2, 8), 2);
    bench.pass(300);
    expect(bench.told().at(-1), "two proposals, and one that holds nothing").to.deep.equal(NOBODY);
    bench.take("confirm");
    bench.silent.add(3);
    bench.pass(TERM_MS + RENEW_EVERY_MS);
    bench.watches.leasesLapsed(bench.nowMs);
    bench.pass(300);
    expect(bench.take("confirm").map(({ to }) => to)).to.include(8);
    expect(bench.told(), "the server that may own cannot be asked").to.deep.equal([MISSED]);
  });
});
