import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import { RecentOwners } from "../../../node/directory/recent-owners.ts";

const [ALICE, BOB, EVE] = ["alice", "bob", "eve"].map((user) => parseAor(`sip:${user}@example.com`)) as [
  ReturnType<typeof parseAor>,
  ReturnType<typeof parseAor>,
  ReturnType<typeof parseAor>,
];
const epoch = (counter: number) => ({ version: 1, counter, member: 2 });

describe("owners that were found a moment ago", () => {
  it("are known for their time, and not a moment longer", () => {
    const recent = new RecentOwners(10, 1_000);
    recent.found(5_000, ALICE, epoch(1));
    expect(recent.get(5_999, ALICE)).to.deep.equal(epoch(1));
    expect(recent.get(6_000, ALICE)).to.equal(undefined);
    expect(recent.get(5_999, ALICE)).to.equal(undefined);
  });

  it("are the last ones found", () => {
    const recent = new RecentOwners(10, 1_000);
    recent.found(0, ALICE, epoch(1));
    recent.found(900, ALICE, epoch(2));
    expect(recent.get(1_500, ALICE)).to.deep.equal(epoch(2));
  });

  it("make room for others, those found longest ago first", () => {
    const recent = new RecentOwners(4, 1_000);
    recent.found(0, ALICE, epoch(1));
    recent.found(1, BOB, epoch(2));
    recent.found(2, ALICE, epoch(1));
    recent.found(3, EVE, epoch(3));
    expect([ALICE, BOB, EVE].map((aor) => recent.get(4, aor)?.counter)).to.deep.equal([1, undefined, 3]);
  });
});
