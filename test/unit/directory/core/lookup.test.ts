import { expect } from "chai";
import { parseAor } from "../../../../dht-schema/aor.ts";
import type { Ballot } from "../../../../dht-schema/ballot.ts";
import { NO_BALLOT } from "../../../../dht-schema/ballot.ts";
import type { AcceptedState } from "../../../../dht-schema/directory-messages.ts";
import type { LookupResult, ReplicaAnswer } from "../../../../node/directory/core/context.ts";
import type { LookupMode } from "../../../../node/directory/core/lookup.ts";
import {
  chosenBallot,
  highestValid,
  isChosen,
  isNobody,
  possibleOwners,
  startInspection,
  startLookup,
} from "../../../../node/directory/core/lookup.ts";
import type { Quorum } from "../../../../node/directory/core/quorum.ts";
import { CoreContext } from "../../../helpers/core-context.ts";
import { jointAfter, testRoster } from "../../../helpers/rosters.ts";

const ALICE = parseAor("sip:alice@example.com");

const ballot = (counter: number, member: number): Ballot => ({ version: 1, counter, member });
const FIVE: Quorum = { version: 1, groups: [[1, 2, 3, 4, 5]], members: [1, 2, 3, 4, 5] };
const JOINT: Quorum = {
  version: 1,
  groups: [
    [1, 2, 3],
    [3, 4, 5],
  ],
  members: [1, 2, 3, 4, 5],
};

/** Reports of replicas 1, 2, …: a ballot held as valid, none, or no answer. */
const reports = (...said: (Ballot | "none" | "silent")[]) =>
  new Map(
    said.flatMap((what, index) =>
      what === "silent" ? [] : [[index + 1, what === "none" ? undefined : what] as [number, Ballot | undefined]],
    ),
  );

describe("what replicas report together", () => {
  it("has the highest ballot that one of them holds as valid", () => {
    expect(highestValid(reports())).to.equal(undefined);
    expect(highestValid(reports("none", "none"))).to.equal(undefined);
    expect(highestValid(reports(ballot(1, 7), ballot(3, 2), "none", ballot(2, 9)))).to.deep.equal(ballot(3, 2));
  });

  it("is a choice when a majority of each group reports the same ballot", () => {
    const one = ballot(1, 7);
    expect(isChosen(FIVE, reports(one, one), one)).to.equal(false);
    expect(isChosen(FIVE, reports(one, one, one), one)).to.equal(true);
    expect(isChosen(FIVE, reports(one, one, ballot(2, 7)), one)).to.equal(false);
    expect(isChosen(JOINT, reports(one, one, "none"), one), "the old only").to.equal(false);
    expect(isChosen(JOINT, reports("silent", "silent", one, one, one), one), "the new only").to.equal(false);
    expect(isChosen(JOINT, reports(one, "silent", one, one), one)).to.equal(true);
  });

  it("has the chosen ballot also where some replica holds a higher one that was proposed to it", () => {
    const [owned, proposed] = [ballot(3, 7), ballot(4, 8)];
    expect(chosenBallot(FIVE, reports(owned, owned, owned, proposed))).to.deep.equal(owned);
    expect(chosenBallot(FIVE, reports(proposed, owned, owned))).to.equal(undefined);
    expect(chosenBallot(JOINT, reports(owned, owned, owned, owned, proposed))).to.deep.equal(owned);
    expect(chosenBallot(FIVE, reports("none", "none"))).to.equal(undefined);
  });

  it("has as possible owners the servers that a majority may hold, with those that have not answered", () => {
    const [owned, proposed] = [ballot(3, 7), ballot(4, 8)];
    expect(possibleOwners(FIVE, reports(owned, owned, proposed))).to.deep.equal([owned, proposed]);
    expect(possibleOwners(FIVE, reports(owned, owned, proposed, "none"))).to.deep.equal([owned]);
    expect(possibleOwners(FIVE, reports(owned, ballot(9, 7), ballot(5, 7), proposed))).to.deep.equal([ballot(9, 7)]);
    expect(possibleOwners(JOINT, reports(owned, owned, "none", proposed, proposed))).to.deep.equal([owned, proposed]);
  });

  it("is nobody when a majority answered and no server may be held by a majority", () => {
    expect(isNobody(FIVE, reports("none", "none"))).to.equal(false);
    expect(isNobody(FIVE, reports("none", "none", "none"))).to.equal(true);
    expect(isNobody(FIVE, reports("none", "none", ballot(1, 7))), "7 and two silent").to.equal(false);
    expect(isNobody(FIVE, reports("none", "none", ballot(1, 7), "none"))).to.equal(true);
    expect(isNobody(FIVE, reports(ballot(1, 7), ballot(2, 8), ballot(3, 9), "none", "none"))).to.equal(true);
  });

  it("is somebody when the ballots of one server add up to a majority", () => {
    expect(isNobody(FIVE, reports(ballot(1, 7), ballot(2, 7), ballot(3, 7), "none", "none"))).to.equal(false);
    expect(isNobody(FIVE, reports(ballot(1, 7), ballot(2, 8), ballot(3, 8), "none", "none"))).to.equal(true);
  });

  it("is somebody while the version is joint when either group may hold one", () => {
    expect(isNobody(JOINT, reports(ballot(1, 7), ballot(1, 7), "none", "none", "none"))).to.equal(false);
    expect(isNobody(JOINT, reports("none", "none", "none", ballot(1, 7), ballot(1, 7)))).to.equal(false);
    expect(isNobody(JOINT, reports(ballot(1, 7), "none", "none", ballot(1, 7), "none"))).to.equal(true);
  });
});

/** One lookup or inspection; the replicas' answers are the test's. */
class Bench {
  readonly context: CoreContext;
  readonly results: LookupResult[] = [];
  readonly inspections: (readonly ReplicaAnswer[])[] = [];
  nowMs = 0;
  #op = 0;

  constructor(self = 9) {
    this.context = new CoreContext({ self, roster: testRoster(9, { voters: [1, 2, 3, 4, 5] }) });
  }

  lookUp(mode: LookupMode, deadlineMs = 2_000): this {
    startLookup(this.context, this.nowMs, ALICE, { mode, deadlineMs: this.nowMs + deadlineMs }, (_nowMs, result) =>
      this.results.push(result),
    );
    return this;
  }

  inspect(): this {
    startInspection(this.context, 0, ALICE, (_nowMs, answers) => this.inspections.push(answers));
    return this;
  }

  /** Who was asked since the last call. */
  asked(): number[] {
    const reads = this.context.takeOnly("read");
    this.#op = reads[0]?.message.op ?? this.#op;
    return reads.map(({ to }) => to);
  }

  say(from: number, accepted: AcceptedState | undefined, abstaining = false, promised = NO_BALLOT): boolean {
    return this.context.answer(this.nowMs, from, { type: "state", op: this.#op, abstaining, promised, accepted });
  }

  owned(from: number, epoch: Ballot): boolean {
    return this.say(from, { ballot: epoch, boot: 1, validForMs: 100 });
  }

  /** Who knew of nobody is asked again, and says the same. */
  repeatNobody(): number[] {
    const again = this.asked();
    for (const from of again) this.say(from, undefined);
    return again;
  }

  pass(ms: number): this {
    this.nowMs += ms;
    this.context.agenda.runDue(this.nowMs);
    return this;
  }
}

describe("a lookup by majority", () => {
  it("asks a majority once and answers with the owner when all of it report it", () => {
    const bench = new Bench().lookUp("majority");
    expect(bench.asked()).to.deep.equal([2, 3, 4]);
    bench.owned(2, ballot(2, 7));
    bench.owned(3, ballot(2, 7));
    expect(bench.results).to.deep.equal([]);
    bench.owned(4, ballot(2, 7));
    expect(bench.results).to.deep.equal([{ kind: "owner", epoch: ballot(2, 7) }]);
    expect(bench.context.openOps).to.equal(0);
    bench.pass(5_000);
    expect(bench.asked()).to.deep.equal([]);
    expect(bench.results).to.have.length(1);
  });

  it("asks again where fewer report the only one who may own, and answers with it when they say the same", () => {
    const bench = new Bench().lookUp("majority");
    const say = () => {
      bench.owned(2, ballot(2, 7));
      bench.say(3, undefined);
      bench.owned(4, ballot(2, 7));
    };
    bench.asked();
    say();
    expect(bench.results).to.deep.equal([]);
    expect(bench.asked()).to.deep.equal([2, 3, 4]);
    say();
    expect(bench.results).to.deep.equal([{ kind: "owner", epoch: ballot(2, 7) }]);
    expect(bench.context.openOps).to.equal(0);
  });

  it("does not find who is about to own while another does, who was caught up where it had been read, and lost where it had not", () => {
    const [owned, proposed] = [ballot(2, 7), ballot(3, 8)];
    const bench = new Bench().lookUp("majority");
    bench.asked();
    // Held by 4, 5 and 1, of which 4 has not been read; the proposal is at 3.
    bench.say(2, undefined);
    bench.owned(3, proposed);
    // Caught up at 2, it may be lost at 4.
    bench.say(4, undefined);
    expect(bench.asked()).to.deep.equal([2, 3, 4]);
    bench.owned(2, owned);
    expect(bench.results).to.deep.equal([]);
    const asked = bench.asked();
    expect(asked, "begun anew").to.have.length(3);
    for (const from of asked) bench.owned(from, owned);
    expect(bench.results).to.deep.equal([{ kind: "owner", epoch: owned }]);
    expect(bench.context.openOps).to.equal(0);
  });

  it("hears all whom it asks again before it says that they differ: the first of them may have differed before", () => {
    const bench = new Bench().lookUp("majority");
    const say = [
      () => bench.owned(2, ballot(2, 7)),
      () => bench.owned(3, ballot(3, 8)),
      () => bench.owned(4, ballot(2, 7)),
      () => bench.say(1, undefined),
    ];
    bench.asked();
    for (const one of say.slice(0, 3)) one();
    expect(bench.asked()).to.deep.equal([1, 5]);
    say[3]!();
    expect(bench.asked(), "who may own is known, but held by two only").to.deep.equal([2, 3, 4, 1]);
    for (const one of say) one();
    expect(bench.asked(), "nothing to ask any more").to.deep.equal([]);
    expect(bench.results).to.deep.equal([{ kind: "owner", epoch: ballot(2, 7) }]);
    expect(bench.context.openOps).to.equal(0);
  });

  it("asks a majority of both groups while the version is joint", () => {
    const bench = new Bench();
    bench.context.install(jointAfter(testRoster(9, { voters: [1, 2, 3] }), [6, 7, 8]));
    const asked = bench.lookUp("majority").asked();
    expect(asked.filter((member) => member <= 3).length).to.be.at.least(2);
    expect(asked.filter((member) => member >= 6).length).to.be.at.least(2);
  });

  for (const learns of ["an answer", "the time to ask the others"] as const) {
    it(`begins anew when the voters have changed, as ${learns} comes: those of before may hold nothing any more`, () => {
      const bench = new Bench().lookUp("majority");
      bench.asked();
      bench.say(2, undefined);
      bench.context.install({ ...testRoster(9, { voters: [6, 7, 8] }), version: 3 });
      if (learns === "an answer") bench.say(3, undefined);
      else bench.pass(bench.context.tuning.hedgeMs);
      const asked = bench.asked();
      expect([6, 7, 8]).to.include.members(asked);
      expect(bench.say(4, undefined), "to the number of before").to.equal(true);
      expect(bench.results).to.deep.equal([]);
      for (const from of asked) bench.owned(from, ballot(2, 7));
      expect(bench.results).to.deep.equal([{ kind: "owner", epoch: ballot(2, 7) }]);
      expect(bench.context.openOps).to.equal(0);
    });
  }

  it("asks the replicas by turns, and always itself where it is one", () => {
    const bench = new Bench(2);
    const turns = [1, 2, 3, 4, 5].map(() => {
      const asked = bench.lookUp("majority").asked();
      expect(asked[0]).to.equal(2);
      for (const from of asked) bench.say(from, undefined);
      bench.repeatNobody();
      return asked;
    });
    expect(bench.results).to.have.length(5);
    expect(new Set(turns.flat())).to.deep.equal(new Set([1, 2, 3, 4, 5]));
  });

  it("asks the others soon after when one does not answer, and the silent one last from then on, until it is heard", () => {
    const bench = new Bench().lookUp("majority");
    expect(bench.asked()).to.deep.equal([2, 3, 4]);
    bench.say(2, undefined);
    bench.say(4, undefined);
    bench.pass(9);
    expect(bench.asked()).to.deep.equal([]);
    bench.pass(1);
    expect(bench.asked()).to.deep.equal([1, 5]);
    bench.say(1, undefined);
    expect(bench.repeatNobody()).to.deep.equal([2, 4, 1]);
    expect(bench.results).to.deep.equal([{ kind: "nobody" }]);
    for (let i = 0; i < 5; i++) {
      expect(bench.lookUp("majority").asked()).to.have.length(3).and.not.include(3);
    }
    bench.context.silent.delete(3);
    const again = [1, 2, 3, 4, 5].flatMap(() => bench.lookUp("majority").asked());
    expect(again).to.include(3);
  });

  it("answers nobody when a majority says so, also of an owner whose session is over", () => {
    const bench = new Bench().lookUp("majority");
    bench.asked();
    bench.say(2, undefined);
    bench.say(3, { ballot: ballot(2, 7), boot: 1, validForMs: 0 });
    bench.say(3, undefined);
    expect(bench.results).to.deep.equal([]);
    bench.say(4, undefined);
    expect(bench.results, "not before they were asked again").to.deep.equal([]);
    expect(bench.repeatNobody()).to.deep.equal([2, 3, 4]);
    expect(bench.results).to.deep.equal([{ kind: "nobody" }]);
    expect(bench.context.openOps).to.equal(0);
  });

  for (const [what, change] of [
    ["owned meanwhile", (bench: Bench) => bench.owned(3, ballot(2, 7))],
    ["promised meanwhile", (bench: Bench) => bench.say(3, undefined, false, ballot(5, 7))],
    ["restarted meanwhile", (bench: Bench) => bench.say(3, undefined, true)],
  ] as const) {
    it(`begins anew where a replica that knew of nobody has ${what}: an owner may have moved from one to another`, () => {
      const bench = new Bench().lookUp("majority");
      for (const from of bench.asked()) bench.say(from, undefined);
      bench.asked();
      bench.say(2, undefined);
      change(bench);
      bench.say(4, undefined);
      expect(bench.results).to.deep.equal([]);
      const asked = bench.asked();
      expect(asked).to.have.length(3);
      for (const from of asked) bench.owned(from, ballot(2, 7));
      expect(bench.results).to.deep.equal([{ kind: "owner", epoch: ballot(2, 7) }]);
      expect(bench.context.openOps).to.equal(0);
    });
  }

  it("does not know when nobody repeats that there is nobody", () => {
    const bench = new Bench().lookUp("majority", 300);
    for (const from of bench.asked()) bench.say(from, undefined);
    bench.asked();
    bench.pass(300);
    expect(bench.results.map(({ kind }) => kind)).to.deep.equal(["unavailable"]);
    expect(bench.context.openOps).to.equal(0);
  });

  it("asks the others where a replica holds what another server proposed: the owner is whom most may hold", () => {
    const bench = new Bench().lookUp("majority");
    expect(bench.asked()).to.deep.equal([2, 3, 4]);
    bench.owned(2, ballot(2, 7));
    bench.owned(3, ballot(3, 8));
    bench.owned(4, ballot(2, 7));
    expect(bench.results).to.deep.equal([]);
    expect(bench.asked()).to.deep.equal([1, 5]);
    bench.owned(1, ballot(2, 7));
    expect(bench.results).to.deep.equal([{ kind: "owner", epoch: ballot(2, 7) }]);
  });

  it("says that it does not know when replicas differ and the others stay silent", () => {
    const bench = new Bench().lookUp("majority", 400);
    for (const ms of [250, 150]) {
      bench.asked();
      bench.owned(2, ballot(2, 7));
      bench.owned(3, ballot(3, 8));
      bench.owned(4, ballot(2, 7));
      bench.asked();
      bench.pass(ms / 2).pass(ms / 2);
    }
    const reason = "3 of 5 replicas answered, and differ";
    expect(bench.results).to.deep.equal([{ kind: "unavailable", reason }]);
  });

  it("does not count a replica that abstains, for it has forgotten what it held: it asks the others at once", () => {
    const bench = new Bench().lookUp("majority");
    bench.asked();
    bench.say(2, undefined, true);
    expect(bench.asked()).to.deep.equal([1, 5]);
    for (const replica of [1, 5]) bench.say(replica, undefined, true);
    expect(bench.asked()).to.deep.equal([]);
    expect(bench.results).to.deep.equal([]);
  });

  it("asks again, and waits longer, when answers are missing, and is unavailable at its deadline", () => {
    const bench = new Bench().lookUp("majority", 850);
    bench.asked();
    bench.say(2, undefined);
    bench.pass(10);
    bench.asked();
    bench.pass(240);
    bench.asked();
    bench.say(1, undefined);
    bench.say(2, undefined);
    bench.pass(10);
    bench.asked();
    bench.pass(490);
    bench.asked();
    bench.say(4, undefined);
    bench.pass(10);
    bench.pass(90);
    expect(bench.results).to.deep.equal([{ kind: "unavailable", reason: "1 of 5 replicas answered" }]);
    expect(bench.context.openOps).to.equal(0);
  });

  it("asks the replicas of the roster in force when it asks again", () => {
    const bench = new Bench().lookUp("majority");
    bench.asked();
    bench.context.install(jointAfter(testRoster(9, { voters: [1, 2, 3, 4, 5] }), [6, 7, 8]));
    bench.pass(10);
    const asked = bench.asked();
    expect(asked, "a majority of both groups").to.deep.equal([3, 4, 5, 6, 7]);
    bench.pass(10);
    expect([...asked, ...bench.asked()]).to.have.members([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("learns the ballots it meets, so that a claim that follows is above them", () => {
    const bench = new Bench().lookUp("majority");
    bench.asked();
    bench.owned(2, ballot(40, 7));
    expect(bench.context.nextBallot().counter).to.equal(41);
  });
});

describe("a lookup by the first answer", () => {
  it("asks one replica and takes the owner that it names", () => {
    const bench = new Bench().lookUp("first");
    expect(bench.asked()).to.deep.equal([2]);
    bench.owned(2, ballot(2, 7));
    expect(bench.results).to.deep.equal([{ kind: "owner", epoch: ballot(2, 7) }]);
  });

  it("takes nobody from the first replica that votes", () => {
    const bench = new Bench().lookUp("first");
    bench.asked();
    bench.say(2, undefined, true);
    expect(bench.results).to.deep.equal([]);
    expect(bench.asked()).to.deep.equal([1, 3, 4, 5]);
    bench.say(4, undefined);
    expect(bench.results).to.deep.equal([{ kind: "nobody" }]);
  });
});

describe("an inspection", () => {
  it("reports what each replica said, in the order of the group", () => {
    const bench = new Bench().inspect();
    expect(bench.asked()).to.deep.equal([1, 2, 3, 4, 5]);
    const accepted = { ballot: ballot(2, 7), boot: 3, validForMs: 50 };
    bench.say(5, undefined, false, ballot(1, 1));
    bench.say(2, accepted, false, ballot(9, 9));
    bench.say(1, undefined, true, ballot(64, 64));
    bench.say(4, undefined);
    expect(bench.inspections).to.deep.equal([]);
    bench.say(3, undefined);
    expect(bench.inspections).to.deep.equal([
      [
        { member: 1, answer: "abstaining", promised: ballot(64, 64) },
        { member: 2, answer: "state", promised: ballot(9, 9), accepted },
        { member: 3, answer: "state", promised: NO_BALLOT },
        { member: 4, answer: "state", promised: NO_BALLOT },
        { member: 5, answer: "state", promised: ballot(1, 1) },
      ],
    ]);
  });

  it("calls silent who does not answer in time, and ends once", () => {
    const bench = new Bench().inspect();
    bench.asked();
    bench.say(2, undefined);
    bench.pass(999);
    expect(bench.inspections).to.deep.equal([]);
    bench.pass(1);
    expect(bench.inspections[0]?.map(({ answer }) => answer)).to.deep.equal([
      "silent",
      "state",
      "silent",
      "silent",
      "silent",
    ]);
    expect(bench.say(1, undefined)).to.equal(false);
    bench.pass(1_000);
    expect(bench.inspections).to.have.length(1);
  });
});
