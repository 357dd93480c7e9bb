import { expect } from "chai";
import type { Roster } from "../../../../dht-schema/roster.ts";
import { checkRoster } from "../../../../dht-schema/roster.ts";
import type { DirectoryTuning } from "../../../../node/directory/core/context.ts";
import type { Report, Sight } from "../../../../node/directory/core/steward.ts";
import { amendJoint, dropLeft, enterJoint, leaveJoint, startSteward } from "../../../../node/directory/core/steward.ts";
import { CoreContext } from "../../../helpers/core-context.ts";
import { jointAfter, numbersTo, stableAfter, testRoster, testServer } from "../../../helpers/rosters.ts";

/** T·(1 + 4ρ) of the rosters of these tests. */
const GRACE_MS = 10_400;
const everybody = () => true;
const nobody = () => false;

type IsUp = (member: number) => boolean;

/** What the steward sees when these servers are up. */
const seeing = (isUp: IsUp, reports: ReadonlyMap<number, Report> = new Map(), nowMs = 0): Sight => ({
  nowMs,
  reports,
  isUp,
  silentForMs: (member) => (isUp(member) ? 0 : nowMs),
  mayOweDropped: false,
});
const enter = (roster: Roster, target: number, isUp: IsUp) => enterJoint(roster, target, seeing(isUp));
const leave = (roster: Roster, reports: ReadonlyMap<number, Report>, nowMs: number, isUp: IsUp) =>
  leaveJoint(roster, seeing(isUp, reports, nowMs));

describe("entering a joint version", () => {
  it("makes voters of the servers that are up and are none yet", () => {
    const stable = testRoster(5, { version: 7, voters: [2, 3] });
    const next = enter(stable, 1024, (member) => member !== 4);
    expect(next).to.deep.equal({ ...stable, version: 8, voters: [1, 2, 3, 5], oldVoters: [2, 3] });
  });

  it("is not needed when everybody votes, nobody new is up, or the target is met", () => {
    expect(enter(testRoster(3), 1024, everybody)).to.equal(undefined);
    expect(enter(testRoster(3, { voters: [1] }), 1024, nobody)).to.equal(undefined);
    expect(enter(testRoster(9, { voters: [1, 2, 3, 4, 5] }), 5, everybody)).to.equal(undefined);
    expect(enter(testRoster(9, { voters: [1, 2, 3, 4, 5] }), 3, everybody), "above it").to.equal(undefined);
  });

  it("promotes no more than the target has room for", () => {
    expect(enter(testRoster(9, { voters: [1] }), 4, everybody)?.voters).to.deep.equal([1, 2, 3, 4]);
  });
});

describe("a joint version that could not be left as things stand", () => {
  const up =
    (...members: number[]) =>
    (member: number) =>
      members.includes(member);

  it("is not entered: without a majority of the new voters, or with too many of the old ones silent", () => {
    const stable = testRoster(4, { voters: [1, 2, 3, 4], leaving: [4] });
    expect(enter(stable, 0, up(1, 4)), "of 1, 2 and 3 only 1").to.equal(undefined);
    expect(enter(stable, 0, up(1, 2)), "3 and 4 of four").to.equal(undefined);
    expect(enter(stable, 0, up(1, 2, 4))?.voters).to.deep.equal([1, 2, 3]);
    expect(enter(stable, 0, up(1, 2, 3))?.voters).to.deep.equal([1, 2, 3]);
  });

  it("is entered when those who are silent are switched off for good", () => {
    const stable = testRoster(3, { leaving: [2, 3], gone: [2, 3] });
    expect(enter(stable, 0, up(1))).to.deep.include({ voters: [1], oldVoters: [1, 2, 3] });
    expect(enter({ ...stable, gone: [2] }, 0, up(1))?.voters, "one of three may be silent").to.deep.equal([1]);
    expect(enter({ ...stable, gone: [] }, 0, up(1))).to.equal(undefined);
  });

  it("is amended when new voters turn out to be switched off for good, and only then", () => {
    const joint = jointAfter(testRoster(4, { voters: [1, 2, 3] }), [1, 2, 3, 4]);
    const holding = (...members: number[]) =>
      seeing(
        everybody,
        new Map(members.map((number) => [number, { version: 2, settled: false, owned: 0, sinceMs: 0, atMs: 0 }])),
      );
    expect(amendJoint(joint, holding(1, 2, 3, 4))).to.equal(undefined);
    const off = { ...joint, leaving: [3, 4], gone: [3, 4] };
    const amended = amendJoint(off, holding(1, 2));
    expect(amended).to.deep.include({ version: 3, voters: [1, 2], oldVoters: [1, 2, 3] });
    expect(amendJoint(off, holding(1, 3)), "of the old voters 1 and 2 count").to.equal(undefined);
    expect(
      amendJoint({ ...joint, leaving: [1, 2, 3, 4], gone: [1, 2, 3, 4] }, holding(1, 2)),
      "somebody has to stay",
    ).to.equal(undefined);
  });
});

describe("leaving servers", () => {
  it("vote no longer after the next joint version, together with whoever becomes a voter", () => {
    const stable = testRoster(5, { voters: [1, 2, 3, 4], leaving: [3, 4] });
    expect(enter(stable, 0, everybody)).to.deep.include({ voters: [1, 2], oldVoters: [1, 2, 3, 4] });
    expect(enter(stable, 1024, everybody)).to.deep.include({ voters: [1, 2, 5], oldVoters: [1, 2, 3, 4] });
  });

  it("are not promoted", () => {
    expect(enter(testRoster(3, { voters: [1], leaving: [2] }), 1024, everybody)?.voters).to.deep.equal([1, 3]);
  });

  const gone = testRoster(3, { version: 5, voters: [1, 2], leaving: [3] });
  const report = (change: Partial<Report>) =>
    new Map([[3, { version: 5, settled: true, owned: 0, sinceMs: 0, atMs: 0, ...change }]]);

  it("are dropped from the roster when they say that they own nobody, and their numbers stay taken", () => {
    const next = dropLeft(gone, seeing(everybody, report({})));
    expect(next?.servers.map(({ number }) => number)).to.deep.equal([1, 2]);
    expect(next).to.deep.include({ version: 5, revision: 2, leaving: [], lastNumber: 3 });
  });

  it("stay while they vote, own somebody, or have not heard of the version in force", () => {
    expect(dropLeft({ ...gone, voters: [1, 2, 3] }, seeing(everybody, report({})))).to.equal(undefined);
    expect(dropLeft(gone, seeing(everybody, report({ owned: 1 })))).to.equal(undefined);
    expect(dropLeft(gone, seeing(everybody, report({ version: 4 })))).to.equal(undefined);
  });

  it("are forgotten with all that was said of them", () => {
    const next = dropLeft({ ...gone, gone: [3] }, seeing(nobody, new Map(), GRACE_MS + 1));
    expect(next).to.deep.include({ leaving: [], gone: [] });
    checkRoster(next as Roster);
  });

  it("are dropped when they have been silent for longer than a lease", () => {
    expect(dropLeft(gone, seeing(nobody, new Map(), GRACE_MS))).to.equal(undefined);
    expect(dropLeft(gone, seeing(nobody, new Map(), GRACE_MS + 1))?.servers).to.have.length(2);
  });
});

describe("leaving a joint version", () => {
  const joint = jointAfter(testRoster(8, { voters: [1, 2, 3, 4, 5] }), numbersTo(8));
  const reports = (
    changes: Record<number, { version?: number; settled?: boolean; sinceMs?: number } | undefined> = {},
  ) =>
    new Map(
      joint.servers
        .filter(({ number }) => !(number in changes) || changes[number] !== undefined)
        .map(({ number }) => [
          number,
          { version: joint.version, settled: true, owned: 0, sinceMs: 0, atMs: 0, ...changes[number] },
        ]),
    );

  it("is possible at once when every server holds it and is settled", () => {
    expect(leave(joint, reports(), 1, everybody)).to.deep.equal(stableAfter(joint));
  });

  it("waits while one server is not settled, is behind, or has not answered", () => {
    for (const change of [{ settled: false }, { version: joint.version - 1 }, undefined]) {
      expect(leave(joint, reports({ 8: change }), 1, everybody), JSON.stringify(change)).to.equal(undefined);
    }
  });

  it("needs nobody's word once the old voters have held it for T·(1 + 4ρ)", () => {
    const unsettled = reports({ 1: { settled: false }, 8: undefined });
    expect(leave(joint, unsettled, GRACE_MS - 1, everybody)).to.equal(undefined);
    expect(leave(joint, unsettled, GRACE_MS, everybody)).to.deep.equal(stableAfter(joint));
  });

  it("then does without a minority of a group of old voters, ⌊(n−1)/2⌋, and no more", () => {
    for (const late of [undefined, { version: joint.version - 1 }, { sinceMs: 1, settled: false }]) {
      expect(leave(joint, reports({ 1: late, 2: late }), GRACE_MS, everybody)).to.deep.equal(stableAfter(joint));
      expect(leave(joint, reports({ 1: late, 2: late, 3: late }), GRACE_MS, everybody)).to.equal(undefined);
    }
  });

  it("counts that minority by the size of a group, however many old voters there are", () => {
    for (const [voters, minority] of [
      [1, 0],
      [2, 0],
      [3, 1],
      [4, 1],
      [5, 2],
      [9, 2],
    ] as const) {
      const next = jointAfter(testRoster(voters + 1, { voters: numbersTo(voters) }), numbersTo(voters + 1));
      const held = (missing: number) =>
        new Map(
          numbersTo(voters + 1)
            .slice(missing)
            .map((number) => [number, { version: next.version, settled: false, owned: 0, sinceMs: 0, atMs: GRACE_MS }]),
        );
      expect(leave(next, held(minority), GRACE_MS, everybody), `${voters}`).not.to.equal(undefined);
      expect(leave(next, held(minority + 1), GRACE_MS, everybody), `${voters}`).to.equal(undefined);
    }
  });

  it("waits neither for the word nor for the leases of who is switched off for good and has been silent for T·(1 + 4ρ)", () => {
    const off = { ...joint, leaving: [1, 2, 3], gone: [1, 2, 3], voters: [4, 5, 6, 7, 8] };
    const silent = reports({ 1: undefined, 2: undefined, 3: undefined });
    const up = (member: number) => member > 3;
    expect(leave(off, silent, GRACE_MS, up), "not longer yet").to.equal(undefined);
    expect(leave(off, silent, GRACE_MS + 1, up)).to.deep.equal(stableAfter(off));
    expect(leave({ ...off, gone: [] }, silent, GRACE_MS + 1, up)).to.equal(undefined);
  });

  it("waits for who was said to be switched off and answers all the same", () => {
    const three = jointAfter(testRoster(4, { voters: [1, 2, 3], leaving: [3], gone: [3] }), [1, 2, 4]);
    const said = (sinceMs: number) =>
      new Map(
        [1, 2, 3, 4].map((member) => [
          member,
          { version: 2, settled: member < 3, owned: 0, sinceMs: member === 1 ? 0 : sinceMs, atMs: 0 },
        ]),
      );
    expect(leave(three, said(1), GRACE_MS, everybody), "2 and 3 are late").to.equal(undefined);
    expect(leave(three, said(0), GRACE_MS, everybody)).to.deep.equal(stableAfter(three));
  });

  it("needs a majority of the new voters to be up and to hold it, however it counts the old", () => {
    const up =
      (...members: number[]) =>
      (member: number) =>
        members.includes(member);
    expect(leave(joint, reports(), GRACE_MS, up(1, 2, 3, 4))).to.equal(undefined);
    expect(leave(joint, reports(), GRACE_MS, up(1, 2, 3, 4, 8))).not.to.equal(undefined);
    const behind = reports({ 8: { version: joint.version - 1 } });
    expect(leave(joint, behind, GRACE_MS, up(1, 2, 3, 4, 8))).to.equal(undefined);
  });
});

describe("the steward", () => {
  const start = (roster: Roster, tuning: Partial<DirectoryTuning> = {}) => {
    const context = new CoreContext({ roster, tuning });
    startSteward(context, 0);
    let nowMs = 0;
    /** Time passes; servers answer with this. */
    const pass = (
      ms: number,
      answer: (member: number) => { version: number; settled: boolean; owned?: number } | undefined,
    ) => {
      const published: Roster[] = [];
      for (const endMs = nowMs + ms; context.agenda.nextMs <= endMs;) {
        nowMs = context.agenda.nextMs;
        context.agenda.runDue(nowMs);
        for (const { to, message } of context.takeOnly("settle")) {
          const said = answer(to);
          if (said !== undefined) context.answer(nowMs, to, { type: "settled", op: message.op, owned: 0, ...said });
        }
        for (const event of context.takeEvents()) {
          if (event.kind !== "publish-roster") continue;
          published.push(event.roster);
          context.install(event.roster);
        }
      }
      return published;
    };
    return { context, pass, nowMs: () => nowMs };
  };

  it("lets who joined together become voters together, when nobody has joined for a while", () => {
    const { context, pass } = start(testRoster(1));
    const answer = () => ({ version: context.roster().version, settled: true });
    expect(pass(900, answer)).to.deep.equal([]);
    context.install({ ...testRoster(2), version: 1, revision: 2, voters: [1] });
    expect(pass(800, answer)).to.deep.equal([]);
    context.install({ ...testRoster(3), version: 1, revision: 3, voters: [1] });
    expect(pass(900, answer)).to.deep.equal([]);
    const [joint, stable, ...more] = pass(1_000, answer);
    expect(joint).to.deep.include({ version: 2, voters: [1, 2, 3], oldVoters: [1] });
    expect(stable).to.deep.include({ version: 3, voters: [1, 2, 3], oldVoters: [] });
    expect(more).to.deep.equal([]);
  });

  it("does not promote a server that does not answer, and does when it is up", () => {
    const { context, pass } = start(testRoster(3, { voters: [1] }));
    const version = () => context.roster().version;
    pass(13_000, (member) => (member === 3 ? undefined : { version: version(), settled: true }));
    expect(context.roster(), "its word is missing, so the leases are waited out").to.deep.include({
      version: 3,
      voters: [1, 2],
      oldVoters: [],
    });
    pass(5_000, () => ({ version: version(), settled: true }));
    expect(context.roster()).to.deep.include({ version: 5, voters: [1, 2, 3], oldVoters: [] });
  });

  it("waits out the leases when an old voter never says that it is settled", () => {
    const { context, pass } = start(jointAfter(testRoster(5, { voters: [1, 2, 3] }), numbersTo(5)));
    const answer = (member: number) => (member === 3 ? undefined : { version: 2, settled: true });
    pass(GRACE_MS, answer);
    expect(context.roster().version).to.equal(2);
    pass(1_000, answer);
    expect(context.roster()).to.deep.include({ version: 3, oldVoters: [] });
  });

  it("waits out the leases of a server that was dropped: nobody asks it any more, and it may have claimed since it last answered", () => {
    const { context, pass } = start(testRoster(4, { voters: [1, 2], leaving: [4] }));
    const answer = () => ({ version: context.roster().version, settled: true });
    const [without4, joint, ...more] = pass(2_000, answer);
    expect(without4?.servers.map(({ number }) => number)).to.deep.equal([1, 2, 3]);
    expect(joint).to.deep.include({ version: 2, voters: [1, 2, 3], oldVoters: [1, 2] });
    expect(more).to.deep.equal([]);
    const [stable] = pass(GRACE_MS, answer);
    expect(stable).to.deep.include({ version: 3, oldVoters: [] });
  });

  it("waits once for those that were dropped before it was the steward, and then no more", () => {
    const fourWere = testRoster(4);
    const roster = { ...fourWere, servers: fourWere.servers.filter(({ number }) => number !== 2), voters: [1, 3] };
    const { context, pass } = start(roster);
    const answer = () => ({ version: context.roster().version, settled: true });
    pass(GRACE_MS, answer);
    expect(context.roster()).to.deep.include({ version: 2, voters: [1, 3, 4] });
    pass(2_000, answer);
    expect(context.roster()).to.deep.include({ version: 3, oldVoters: [] });
    const five = testRoster(5).servers.filter(({ number }) => number !== 2);
    context.install({ ...context.roster(), revision: 2, servers: five, lastNumber: 5 });
    pass(3_000, answer);
    expect(context.roster()).to.deep.include({ version: 5, voters: [1, 3, 4, 5], oldVoters: [] });
  });

  it("counts the time anew for a server that was on an earlier version in between", () => {
    const { context, pass } = start(jointAfter(testRoster(2, { voters: [1] }), [1, 2]));
    let version = 2;
    const answer = () => ({ version, settled: false });
    pass(5_000, answer);
    version = 1;
    pass(400, answer);
    version = 2;
    pass(GRACE_MS - 400, answer);
    expect(context.roster().version).to.equal(2);
    pass(1_000, answer);
    expect(context.roster().version).to.equal(3);
  });

  it("does nothing while another server is the steward, and goes on where that one stopped when it gets the role", () => {
    const { context, pass } = start(testRoster(3, { voters: [2], steward: 2, servers: [1, 2, 3].map(testServer) }));
    let asked = 0;
    expect(pass(10_000, () => void asked++)).to.deep.equal([]);
    expect(asked).to.equal(0);
    context.install({ ...context.roster(), revision: 2, steward: 1 });
    pass(3_000, () => ({ version: context.roster().version, settled: true }));
    expect(context.roster()).to.deep.include({ version: 3, voters: [1, 2, 3], oldVoters: [] });
  });

  it("puts another server in the place of a voter that leaves, by one change", () => {
    const { context, pass } = start(testRoster(4, { voters: [1, 2, 3] }), { votersTarget: 3 });
    const answer = () => ({ version: context.roster().version, settled: true });
    expect(pass(2_000, answer), "as many as wanted").to.deep.equal([]);
    context.install({ ...context.roster(), revision: 2, leaving: [3] });
    const published = pass(3_000, answer);
    expect(published.map(({ voters, oldVoters }) => [voters, oldVoters])).to.deep.equal([
      [
        [1, 2, 4],
        [1, 2, 3],
      ],
      [[1, 2, 4], []],
      [[1, 2, 4], []],
    ]);
    expect(context.roster().servers.map(({ number }) => number)).to.deep.equal([1, 2, 4]);
  });

  it("asks nobody when there is nothing to change, and goes on looking", () => {
    const { context, pass } = start(testRoster(3));
    let asked = 0;
    expect(pass(10_000, () => void asked++)).to.deep.equal([]);
    expect(asked).to.equal(0);
    expect(context.agenda.nextMs).to.be.below(10_201);
  });

  it("believes only the server that was asked, and forgets who has not answered", () => {
    const context = new CoreContext({ roster: testRoster(2, { voters: [1] }) });
    startSteward(context, 0);
    context.agenda.runDue(200);
    const asked = context.takeOnly("settle");
    for (const { message } of asked)
      context.answer(200, 1, { type: "settled", op: message.op, version: 1, settled: true, owned: 0 });
    for (let nowMs = 400; nowMs <= 3_000; nowMs += 200) context.agenda.runDue(nowMs);
    expect(context.takeEvents().filter(({ kind }) => kind === "publish-roster")).to.deep.equal([]);
    expect(context.openOps, "four rounds of two").to.be.at.most(2 * 5);
  });
});
