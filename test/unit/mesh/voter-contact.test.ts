import { expect } from "chai";
import type { Roster, ServerId } from "../../../dht-schema/roster.ts";
import type { RosterMark } from "../../../node/mesh/link-core.ts";
import { VoterContact } from "../../../node/mesh/voter-contact.ts";
import { jointAfter, testRoster, testServer } from "../../helpers/rosters.ts";

const mark = (rosterVersion: number, rosterRevision: number, rosterDigest = rosterRevision): RosterMark => ({
  rosterVersion,
  rosterRevision,
  rosterDigest,
});

describe("the steward's contact with the voters", () => {
  /** Of server 1, whose roster is 1.5, to who is linked. */
  const contactTo = (others: Record<number, RosterMark>) => {
    const contact = new VoterContact(testServer(1).id);
    const marks = new Map(
      Object.entries(others).map(([number, said]) => [testServer(Number(number)).id as ServerId, said]),
    );
    contact.look({ own: () => mark(1, 5), others: () => marks });
    return { contact, marks };
  };
  const confirmed = (roster: Roster, others: Record<number, RosterMark>) =>
    contactTo(others).contact.isConfirmed(roster);

  it("is enough when a majority of the voters is linked, itself among them", () => {
    expect(confirmed(testRoster(1), {})).to.equal(true);
    expect(confirmed(testRoster(3), { 2: mark(1, 5) })).to.equal(true);
    expect(confirmed(testRoster(3), {})).to.equal(false);
    expect(confirmed(testRoster(4), { 2: mark(1, 5) }), "half is no majority").to.equal(false);
    expect(confirmed(testRoster(4, { voters: [2, 3, 4] }), { 2: mark(1, 5) }), "it votes not itself").to.equal(false);
  });

  it("takes a majority of the old and of the new voters while they are changed", () => {
    const joint = jointAfter(testRoster(5, { voters: [1, 2, 3] }), [1, 4, 5]);
    expect(confirmed(joint, { 2: mark(1, 5) })).to.equal(false);
    expect(confirmed(joint, { 2: mark(1, 5), 4: mark(1, 5) })).to.equal(true);
  });

  it("does not count those who are switched off for good", () => {
    expect(confirmed(testRoster(3, { leaving: [2, 3], gone: [2, 3] }), {})).to.equal(true);
    expect(confirmed(testRoster(3, { leaving: [2, 3], gone: [3] }), {}), "1 of 1 and 2").to.equal(false);
  });

  it("is not enough while anybody has a newer roster, or another one of the same revision", () => {
    for (const newer of [mark(2, 0), mark(1, 6), mark(1, 5, 99)]) {
      expect(confirmed(testRoster(3), { 2: mark(1, 5), 3: newer })).to.equal(false);
    }
    expect(confirmed(testRoster(3), { 2: mark(1, 4) }), "an older one").to.equal(true);
  });

  it("tells when a majority holds the very roster", () => {
    const { contact, marks } = contactTo({ 2: mark(1, 4), 3: mark(1, 5, 99) });
    expect(contact.isHeld(testRoster(3))).to.equal(false);
    marks.set(testServer(2).id as ServerId, mark(1, 5));
    expect(contact.isHeld(testRoster(3))).to.equal(true);
  });

  it("is waited for until it is there", async () => {
    const { contact, marks } = contactTo({});
    const waiting = contact.until(() => contact.isConfirmed(testRoster(3)));
    contact.changed();
    marks.set(testServer(2).id as ServerId, mark(1, 5));
    contact.changed();
    expect(await waiting).to.equal(true);
  });
});
