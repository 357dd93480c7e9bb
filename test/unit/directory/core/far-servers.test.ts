import { expect } from "chai";
import { parseAor } from "../../../../dht-schema/aor.ts";
import { CoreNetwork } from "../../../helpers/core-network.ts";

const ALICE = parseAor("sip:alice@example.com");

/** One way, ms: across a continent, an ocean, half the earth, and by a satellite. */
for (const delayMs of [50, 75, 150, 300]) {
  describe(`servers that are ${delayMs} ms from each other`, () => {
    it("claim who is free, take over who is not, and find them", () => {
      const net = new CoreNetwork({ servers: 3, delayMs });
      const first = net.own(1, ALICE);
      expect(net.lookup(3, ALICE)).to.deep.equal({ kind: "owner", epoch: first });
      const second = net.own(2, ALICE);
      expect([net.owned(1, ALICE), net.owned(2, ALICE)]).to.deep.equal([undefined, second]);
      expect(net.lookup(3, ALICE)).to.deep.equal({ kind: "owner", epoch: second });
      expect(net.claim(1, ALICE, "if-free")).to.deep.equal({ kind: "owned-elsewhere", epoch: second });
    });

    it("find that nobody has a user", () => {
      const net = new CoreNetwork({ servers: 3, delayMs });
      expect(net.lookup(3, ALICE)).to.deep.equal({ kind: "nobody" });
    });

    it("have a user back whose leases ran out while they were cut off", () => {
      const net = new CoreNetwork({ servers: 3, delayMs });
      const before = net.own(1, ALICE);
      for (const other of [2, 3]) net.cut(1, other);
      net.run(30_000);
      expect(net.owned(1, ALICE)).to.equal(undefined);
      for (const other of [2, 3]) net.heal(1, other);
      net.run(1_000);
      expect(net.claim(1, ALICE, "if-free", 12_000, before)).to.include({ kind: "owned" });
    });
  });
}
