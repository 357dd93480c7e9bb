import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import { expect } from "chai";
import type { Roster } from "../../../dht-schema/roster.ts";
import { checkRoster, isJoint, isNewerRoster, kadMembers, signRoster } from "../../../dht-schema/roster.ts";
import { SchemaError } from "../../../dht-schema/schema-error.ts";
import { jointAfter, testRoster, testServer } from "../../helpers/rosters.ts";

describe("a roster", () => {
  it("may be of one server or of many, stable or joint, with servers that are leaving", () => {
    checkRoster(testRoster(1));
    checkRoster(testRoster(9, { voters: [1, 4, 9], leaving: [4, 5] }));
    checkRoster(testRoster(9, { leaving: [4, 5], gone: [5] }));
    checkRoster(jointAfter(testRoster(9, { voters: [1] }), [2, 3, 4]));
    checkRoster(testRoster(3, { lastNumber: 12 }));
  });

  const refused: [string, Partial<Roster>][] = [
    ["servers that do not ascend", { servers: [testServer(2), testServer(1), testServer(3)] }],
    ["a server twice", { servers: [testServer(1), testServer(1), testServer(2), testServer(3)] }],
    [
      "a server with the number 0",
      { servers: [{ ...testServer(1), number: 0 }, testServer(1), testServer(2), testServer(3)] },
    ],
    ["two servers of one name", { servers: [testServer(1), { ...testServer(2), name: "s1" }, testServer(3)] }],
    [
      "two servers with one key",
      { servers: [testServer(1), { ...testServer(2), id: testServer(1).id }, testServer(3)] },
    ],
    ["no voters", { voters: [] }],
    ["voters that do not ascend", { voters: [2, 1] }],
    ["a voter twice", { voters: [1, 1] }],
    ["a voter that is no server", { voters: [1, 4] }],
    ["an old voter that is no server", { oldVoters: [4] }],
    ["somebody leaving who is no server", { leaving: [4] }],
    ["a steward that is no server", { steward: 4 }],
    ["a steward that is leaving", { leaving: [1] }],
    ["somebody gone who is not leaving", { leaving: [2], gone: [3] }],
    ["somebody gone twice", { leaving: [2], gone: [2, 2] }],
    ["a number that was never given", { lastNumber: 2 }],
    ["a lease term of no use", { leaseMs: 99 }],
  ];
  for (const [what, changes] of refused) {
    it(`is none with ${what}, and is not signed`, async () => {
      const roster = testRoster(3, changes);
      expect(() => checkRoster(roster))
        .to.throw(SchemaError)
        .with.property("code", "BAD_ROSTER");
      const key = await generateKeyPairFromSeed("Ed25519", new Uint8Array(32));
      const error = await signRoster(roster, key).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).to.be.instanceOf(SchemaError);
    });
  }

  it("is newer by its version first, then by its revision", () => {
    const at = (version: number, revision: number) => testRoster(1, { version, revision });
    expect(isNewerRoster(at(2, 1), at(1, 9))).to.equal(true);
    expect(isNewerRoster(at(1, 9), at(2, 1))).to.equal(false);
    expect(isNewerRoster(at(2, 2), at(2, 1))).to.equal(true);
    expect(isNewerRoster(at(2, 1), at(2, 1))).to.equal(false);
  });

  it("is joint as long as it has old voters", () => {
    expect(isJoint(testRoster(3))).to.equal(false);
    expect(isJoint(jointAfter(testRoster(3), [1, 2]))).to.equal(true);
  });

  it("gives each voter its place in the Kademlia space by its key alone", () => {
    const [one, three] = kadMembers(testRoster(3), [1, 3]);
    expect([one?.number, three?.number]).to.deep.equal([1, 3]);
    expect(one?.kadId).to.have.length(32);
    expect(kadMembers(testRoster(9), [3])[0]?.kadId).to.deep.equal(three?.kadId);
  });
});
