import { expect } from "chai";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const DAY_MS = 86_400_000;

describe("registrations on a server whose wall clock jumps", () => {
  for (const [what, jumpMs] of [
    ["a day ahead", DAY_MS],
    ["a day back", -DAY_MS],
  ] as const) {
    it(`stay for as long as they were promised, and no longer: ${what}`, async () => {
      const domain = new SimulatedDomain();
      const one = domain.server("one");
      const alice = domain.device("alice", one);
      await alice.register(600);
      domain.time.stepWall(jumpMs);
      await domain.time.advance(590_000);
      expect(domain.contactsAt(one, alice.aor)).to.deep.equal([alice.client.contact]);
      await domain.time.advance(20_000);
      expect(domain.contactsAt(one, alice.aor)).to.deep.equal([]);
      expect([...one.store.list()]).to.deep.equal([]);
    });
  }
});
