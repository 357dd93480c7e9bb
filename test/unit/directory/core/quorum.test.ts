import { expect } from "chai";
import fc from "fast-check";
import { parseAor } from "../../../../dht-schema/aor.ts";
import { kadIdOfAor } from "../../../../dht-schema/record-key.ts";
import { replicaGroup } from "../../../../dht-schema/replica-group.ts";
import { kadMembers } from "../../../../dht-schema/roster.ts";
import type { Quorum } from "../../../../node/directory/core/quorum.ts";
import { isQuorum, isQuorumOfSome, majorityOf, Quorums } from "../../../../node/directory/core/quorum.ts";
import { jointAfter, numbersTo, testRoster } from "../../../helpers/rosters.ts";

const ALICE = parseAor("sip:alice@example.com");

describe("majorities", () => {
  it("are the smallest that two of a group cannot have apart from each other", () => {
    expect([1, 2, 3, 4, 5].map(majorityOf)).to.deep.equal([1, 2, 2, 3, 3]);
    for (const size of [1, 2, 3, 4, 5, 6, 7]) {
      expect(2 * majorityOf(size)).to.be.above(size);
      expect(2 * (majorityOf(size) - 1)).to.be.at.most(size);
    }
  });

  it("are needed of every group to act, and of one group to be an obstacle", () => {
    const joint: Quorum = {
      version: 1,
      groups: [
        [1, 2, 3],
        [3, 4, 5],
      ],
      members: [1, 2, 3, 4, 5],
    };
    const count =
      (...members: number[]) =>
      (member: number) =>
        members.includes(member);
    expect(isQuorum(joint, count(1, 2, 4, 5))).to.equal(true);
    expect(isQuorum(joint, count(1, 2, 3))).to.equal(false);
    expect(isQuorum(joint, count(3, 4, 5))).to.equal(false);
    expect(isQuorum(joint, count(2, 3, 4))).to.equal(true);
    expect(isQuorumOfSome(joint, count(1, 2))).to.equal(true);
    expect(isQuorumOfSome(joint, count(4, 5))).to.equal(true);
    expect(isQuorumOfSome(joint, count(1, 4))).to.equal(false);
  });

  it("meet: whoever acts under a joint version shares a replica with whoever may own by either group alone", () => {
    const group = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(group, group, fc.func(fc.boolean()), fc.func(fc.boolean()), (old, next, acts, owns) => {
        const joint: Quorum = { version: 1, groups: [old, next], members: [...new Set([...old, ...next])] };
        fc.pre(isQuorum(joint, acts));
        for (const alone of [old, next]) {
          if (!isQuorum({ version: 1, groups: [alone], members: alone }, owns)) continue;
          expect(alone.some((member) => acts(member) && owns(member))).to.equal(true);
        }
      }),
    );
  });
});

describe("the quorum of an AoR", () => {
  it("is the whole roster when that is no larger than a group", () => {
    for (const size of [1, 3, 5]) {
      expect(new Quorums(testRoster(size)).of(ALICE)).to.deep.include({
        groups: [numbersTo(size)],
        members: numbersTo(size),
      });
    }
  });

  it("leaves one server out of two, and one of four, so that the group is odd", () => {
    for (const [size, expected] of [
      [2, 1],
      [4, 3],
    ] as const) {
      expect(new Quorums(testRoster(size)).of(ALICE).members).to.have.length(expected);
    }
  });

  it("is the five voters nearest to the AoR in a larger roster, whoever else was admitted", () => {
    const voters = numbersTo(12).filter((number) => number !== 4);
    const roster = testRoster(12, { voters });
    const nearest = replicaGroup(kadIdOfAor(ALICE), kadMembers(roster, voters));
    const { groups, members } = new Quorums(roster).of(ALICE);
    expect(groups).to.deep.equal([nearest.toSorted((a, b) => a - b)]);
    expect(members).to.deep.equal(groups[0]);
    expect(members).not.to.include(4);
  });

  it("has the old and the new group while the version is joint, each server once among its members", () => {
    const roster = jointAfter(testRoster(3, { voters: [1] }), [1, 2, 3]);
    expect(new Quorums(roster).of(ALICE)).to.deep.include({ groups: [[1], [1, 2, 3]], members: [1, 2, 3] });
  });

  it("is one object for all AoRs that have the same replicas", () => {
    const quorums = new Quorums(testRoster(7));
    const seen = new Map<string, Quorum>();
    for (let i = 0; i < 200; i++) {
      const quorum = quorums.of(parseAor(`sip:user${i}@example.com`));
      const name = quorum.members.join();
      expect(seen.get(name) ?? quorum).to.equal(quorum);
      seen.set(name, quorum);
    }
    expect(seen.size).to.be.above(1);
  });
});
