import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const BOB = "sip:bob@example.com" as Aor;

describe("a held message whose time is over", () => {
  it("is not delivered to who appears before it is swept away", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    await domain.time.advance(61_000);
    for (const [text, seconds] of [
      ["dinner is ready", "10"],
      ["call me", "600"],
      ["where are you?", "10"],
    ] as const)
      expect((await joe.message(BOB, text, [["Expires", seconds]])).status).to.equal(202);
    await domain.time.advance(11_000);
    await bob.register();
    await domain.time.advance(1_000);
    expect(bob.texts()).to.deep.equal(["call me"]);
    expect(one.held.status).to.deep.equal({ recipients: 0, messages: 0 });
    expect(one.counters.get("messaging.held_expired")).to.equal(2);
  });
});
