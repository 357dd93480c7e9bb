import { expect } from "chai";
import type { Roster } from "../../../dht-schema/roster.ts";
import { checkRoster } from "../../../dht-schema/roster.ts";
import { findServer, handOn, promote, replaceVoter, takeOut } from "../../../node/mesh/roster-changes.ts";
import { AortaError } from "../../../node/runtime/errors.ts";
import { jointAfter, testRoster, testServer } from "../../helpers/rosters.ts";

const everybody = () => true;
const all =
  (...numbers: number[]) =>
  (number: number) =>
    numbers.includes(number);

/** Code of the refusal, or what came of it. */
function ending(change: () => Roster | undefined): string | undefined {
  try {
    const next = change();
    if (next === undefined) return "nothing to do";
    checkRoster(next);
    return "done";
  } catch (error) {
    if (error instanceof AortaError) return error.code;
    throw error;
  }
}

describe("a server of the roster", () => {
  const roster = testRoster(3);

  it("is found by its name, its number and its peer id, and by nothing else", () => {
    for (const named of ["s2", "2", testServer(2).id]) expect(findServer(roster, named).number).to.equal(2);
    for (const named of ["S2", "02", "", "s4"]) {
      expect(() => findServer(roster, named))
        .to.throw(AortaError)
        .with.property("code", "NO_SUCH_SERVER");
    }
  });
});

describe("taking servers out", () => {
  const out = (roster: Roster, numbers: number[], isUp: (number: number) => boolean = everybody, gone = false) =>
    takeOut(roster, numbers, { gone, isUp });

  it("lists them as leaving, once", () => {
    const next = out(testRoster(5, { leaving: [4] }), [3, 5, 4]) as Roster;
    expect(next).to.deep.include({ version: 1, revision: 2, leaving: [3, 4, 5], gone: [] });
    expect(ending(() => out(next, [3, 4]))).to.equal("nothing to do");
  });

  it("is refused for the steward", () => {
    expect(ending(() => out(testRoster(3), [2, 1]))).to.equal("IS_STEWARD");
    expect(() => out(testRoster(1), [1])).to.throw(/the only server/);
  });

  it("is refused when no voter would stay, and nobody who could become one", () => {
    expect(ending(() => out(testRoster(3, { voters: [2, 3], steward: 1 }), [2, 3], all(2, 3)))).to.equal("LAST_VOTER");
    expect(
      ending(() => out(testRoster(3, { voters: [2, 3] }), [2, 3])),
      "1 takes their place",
    ).to.equal("done");
  });

  it("is refused when a majority of those who stay would be silent", () => {
    expect(ending(() => out(testRoster(4), [4], all(1, 4)))).to.equal("TOO_FEW_VOTERS");
    expect(ending(() => out(testRoster(4), [4], all(1, 2, 4)))).to.equal("done");
  });

  it("is refused when too many of the present voters are silent for the change to come to an end", () => {
    expect(
      ending(() => out(testRoster(3), [3], all(1, 2))),
      "one of three",
    ).to.equal("done");
    expect(
      ending(() => out(testRoster(2), [2], all(1))),
      "one of two",
    ).to.equal("TOO_FEW_VOTERS");
    expect(
      ending(() => out(testRoster(3), [2, 3], all(1))),
      "two of three",
    ).to.equal("TOO_FEW_VOTERS");
    const joint = jointAfter(testRoster(4, { voters: [2, 3] }), [1, 2, 3, 4]);
    expect(
      ending(() => out(joint, [4], all(1, 2, 4))),
      "one of two old voters",
    ).to.equal("TOO_FEW_VOTERS");
  });

  it("does without those whom the operator says to be switched off for good", () => {
    const next = out(testRoster(3), [2, 3], all(1), true) as Roster;
    expect(next).to.deep.include({ leaving: [2, 3], gone: [2, 3] });
    expect(
      ending(() => out(testRoster(3), [2], all(1), true)),
      "3 stays and is silent",
    ).to.equal("TOO_FEW_VOTERS");
    expect(ending(() => out(next, [2, 3], all(1), true))).to.equal("nothing to do");
    const later = out(testRoster(2, { leaving: [2] }), [2], all(1), true);
    expect(later, "said afterwards").to.deep.include({ leaving: [2], gone: [2], revision: 2 });
  });

  it("is refused when who is said to be switched off is up", () => {
    expect(ending(() => out(testRoster(3), [2, 3], all(1, 3), true))).to.equal("SERVER_UP");
  });

  it("asks nothing of the voters when it concerns none", () => {
    expect(ending(() => out(testRoster(4, { voters: [1, 2, 3] }), [4], all(1)))).to.equal("done");
  });
});

describe("making a server a voter", () => {
  const stable = testRoster(4, { voters: [1, 2] });

  it("is one joint change", () => {
    expect(promote(stable, 4, everybody)).to.deep.include({ version: 2, voters: [1, 2, 4], oldVoters: [1, 2] });
  });

  it("is refused for a voter, for who leaves or is down, and while voters are being changed", () => {
    expect(ending(() => promote(stable, 2, everybody))).to.equal("IS_VOTER");
    expect(ending(() => promote({ ...stable, leaving: [3] }, 3, everybody))).to.equal("IS_LEAVING");
    expect(ending(() => promote(stable, 3, all(1, 2)))).to.equal("SERVER_DOWN");
    expect(ending(() => promote(jointAfter(stable, [1, 2, 3]), 4, everybody))).to.equal("CHANGE_UNDER_WAY");
  });
});

describe("replacing a voter", () => {
  const stable = testRoster(4, { voters: [1, 2, 3] });

  it("is one joint change, with which the old one leaves", () => {
    const next = replaceVoter(stable, 2, 4, all(1, 3, 4));
    expect(next).to.deep.include({ version: 2, voters: [1, 3, 4], oldVoters: [1, 2, 3], leaving: [2] });
    checkRoster(next);
  });

  it("is refused when there is nothing to replace, or nothing to replace it by", () => {
    expect(ending(() => replaceVoter(stable, 4, 2, everybody))).to.equal("NOT_A_VOTER");
    expect(ending(() => replaceVoter(stable, 1, 4, everybody))).to.equal("IS_STEWARD");
    expect(ending(() => replaceVoter(stable, 2, 3, everybody))).to.equal("IS_VOTER");
    expect(ending(() => replaceVoter(stable, 2, 4, all(1, 2, 3)))).to.equal("SERVER_DOWN");
    expect(ending(() => replaceVoter(stable, 2, 4, all(1, 4)))).to.equal("TOO_FEW_VOTERS");
  });
});

describe("handing the steward's role on", () => {
  const stable = testRoster(3, { leaving: [3] });

  it("is a revision with another steward", () => {
    expect(handOn(stable, 2, everybody)).to.deep.equal({ ...stable, revision: 2, steward: 2 });
  });

  it("is refused to who has it, leaves, or is down", () => {
    expect(ending(() => handOn(stable, 1, everybody))).to.equal("IS_STEWARD");
    expect(ending(() => handOn(stable, 3, everybody))).to.equal("IS_LEAVING");
    expect(ending(() => handOn(stable, 2, all(1)))).to.equal("SERVER_DOWN");
  });
});
