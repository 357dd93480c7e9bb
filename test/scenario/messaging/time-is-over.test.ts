import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const DAY_MS = 24 * 3600_000;
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

  for (const [how, days] of [
    ["ahead", 400],
    ["behind", -400],
  ] as const) {
    it(`is delivered though it was held while the clock was far ${how}, and that has been set`, async () => {
      const domain = new SimulatedDomain();
      domain.time.stepWall(days * DAY_MS);
      const upAtMs = domain.time.monotonicMs();
      const one = domain.server("one");
      const [joe, bob] = [domain.device("joe", one), domain.device("bob", one)];
      expect((await joe.message(BOB, "hello", [["Expires", "600"]])).status).to.equal(202);
      // An instant before what has expired is removed.
      await domain.time.advance(upAtMs + 59_500 - domain.time.monotonicMs());
      domain.time.stepWall(-days * DAY_MS);
      await domain.time.advance(300_000);
      await bob.register();
      await domain.time.advance(60_000);
      expect(bob.texts()).to.deep.equal(["hello"]);
    });
  }

  it("stays where a clock is far ahead at a start and for some hours, and is delivered when that has been set", async () => {
    const domain = new SimulatedDomain();
    const before = domain.server("one");
    const joe = domain.device("joe", before);
    for (const text of ["one", "two"]) expect((await joe.message(BOB, text)).status).to.equal(202);
    domain.kill(before);
    domain.time.stepWall(400 * DAY_MS);
    const one = domain.restart(before);
    const bob = domain.device("bob", one);
    await domain.time.advance(3 * 3600_000);
    await joe.register();
    await bob.register();
    await domain.time.advance(60_000);
    expect(bob.texts()).to.deep.equal([]);
    expect((await joe.message(BOB, "now")).status).to.equal(200);
    domain.time.stepWall(-400 * DAY_MS);
    await domain.time.advance(6 * 60_000);
    expect(bob.texts()).to.deep.equal(["now", "one", "two"]);
    expect(one.held.status).to.deep.equal({ recipients: 0, messages: 0 });
    expect(one.counters.get("messaging.held_expired")).to.equal(0);
  });

  it("is gone once the node has run for long enough with the clock of that time", async () => {
    const domain = new SimulatedDomain();
    const before = domain.server("one");
    const joe = domain.device("joe", before);
    expect((await joe.message(BOB, "hello")).status).to.equal(202);
    domain.kill(before);
    domain.time.stepWall(15 * DAY_MS);
    const one = domain.restart(before);
    const bob = domain.device("bob", one);
    await domain.time.advance(15 * 3600_000);
    await bob.register();
    await domain.time.advance(60_000);
    expect(bob.texts()).to.deep.equal([]);
    expect(one.held.status).to.deep.equal({ recipients: 0, messages: 0 });
    expect(one.counters.get("messaging.held_expired")).to.equal(1);
  });
});
