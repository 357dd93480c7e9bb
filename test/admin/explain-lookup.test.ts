import { expect } from "chai";
import { generateKeyPair } from "@libp2p/crypto/keys";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { parseAor } from "../../dht-schema/aor.ts";
import type { Ballot } from "../../dht-schema/ballot.ts";
import type { Roster } from "../../dht-schema/roster.ts";
import type { ReplicaAnswer } from "../../node/admin/explain-lookup.ts";
import { explainLookup } from "../../node/admin/explain-lookup.ts";

const alice = parseAor("sip:alice@example.com");
const ballot = (counter: number, member: number, version = 3): Ballot => ({ version, counter, member });
const accepted = (member: number, by: Ballot, validForMs: number, promised = by): ReplicaAnswer => ({
  member,
  answer: "state",
  promised,
  accepted: { ballot: by, validForMs },
});
const empty = (member: number, promised: Ballot = ballot(0, 0, 0)): ReplicaAnswer => ({
  member,
  answer: "state",
  promised,
});

describe("the explanation of a lookup", () => {
  let roster: Roster;
  before(async () => {
    const servers = [];
    for (const [index, name] of ["berlin", "paris", "rome"].entries()) {
      const id = peerIdFromPrivateKey(await generateKeyPair("Ed25519")).toString();
      servers.push({ number: index + 1, id, name, addresses: [] });
    }
    roster = {
      domain: "example.com",
      version: 3,
      revision: 3,
      leaseMs: 10_000,
      driftPpm: 10_000,
      servers,
      steward: 1,
      lastNumber: 3,
      leaving: [],
      gone: [],
      voters: [1, 2, 3],
      oldVoters: [],
    };
  });

  it("names the owner that a majority holds, for as long as a majority does", () => {
    const view = explainLookup(alice, roster, [
      accepted(1, ballot(7, 2), 9000),
      accepted(2, ballot(7, 2), 4000),
      accepted(3, ballot(7, 2), 6000),
    ]);
    expect(view).to.deep.include({ aor: alice, state: "owned", epoch: "3.7.2", leaseLeftMs: 6000 });
    expect(view.owner).to.deep.include({ number: 2, name: "paris" });
    expect(view.replicas.map(({ verdict }) => verdict)).to.deep.equal(["agrees", "agrees", "agrees"]);
    expect(view.replicas[0]).to.not.have.property("why");
  });

  const disagreements: Record<string, [ReplicaAnswer, RegExp]> = {
    "missed the claim": [empty(3), /^knows no owner/],
    "has an older epoch": [accepted(3, ballot(5, 1), 0), /^still has an earlier epoch/],
    "lost the owner's session": [accepted(3, ballot(7, 2), 0), /lease here has run out$/],
    "accepted a claim that failed": [
      accepted(3, ballot(9, 1), 5000),
      /^has accepted a later claim, by berlin, that no majority has$/,
    ],
    "promised itself to a claim under way": [
      accepted(3, ballot(5, 1), 0, ballot(8, 3)),
      /^has promised itself to a later claim, 3\.8\.3 by rome$/,
    ],
    "has restarted": [empty(3, ballot(90_000, 0xffff_ffff)), /^has restarted since the claim/],
  };
  for (const [what, [answer, why]] of Object.entries(disagreements)) {
    it(`says why a replica disagrees that ${what}`, () => {
      const view = explainLookup(alice, roster, [
        accepted(1, ballot(7, 2), 9000),
        accepted(2, ballot(7, 2), 4000),
        answer,
      ]);
      expect(view).to.deep.include({ state: "owned", epoch: "3.7.2", leaseLeftMs: 4000 });
      expect(view.replicas[2]).to.include({ verdict: "disagrees" }).and.to.have.property("why").that.matches(why);
    });
  }

  it("tells replicas that are silent or abstain from those that disagree", () => {
    const view = explainLookup(alice, roster, [
      accepted(1, ballot(7, 2), 9000),
      { member: 2, answer: "silent" },
      { ...accepted(3, ballot(7, 2), 4000), answer: "abstaining" },
    ]);
    expect(view.state).to.equal("unclear");
    expect(view.replicas.map(({ verdict }) => verdict)).to.deep.equal(["disagrees", "silent", "abstains"]);
    expect(view.replicas[0]?.why).to.equal("holds that paris owns the user, for another 9s, but no majority does");
  });

  it("says that nobody owns a user only when a majority holds nobody", () => {
    expect(
      explainLookup(alice, roster, [empty(1), accepted(2, ballot(7, 2), 0), { member: 3, answer: "silent" }]).state,
    ).to.equal("nobody");
    expect(
      explainLookup(alice, roster, [empty(1), accepted(2, ballot(7, 2), 5), { member: 3, answer: "silent" }]).state,
    ).to.equal("unclear");
  });

  it("wants a majority of the old and of the new voters while they change", () => {
    const joint: Roster = { ...roster, version: 4, oldVoters: [1] };
    const two = [accepted(2, ballot(7, 2), 4000), accepted(3, ballot(7, 2), 4000)];
    expect(explainLookup(alice, joint, [empty(1), ...two]).state).to.equal("unclear");
    expect(explainLookup(alice, joint, [accepted(1, ballot(7, 2), 3000), ...two])).to.include({
      state: "owned",
      leaseLeftMs: 3000,
    });
  });
});
