import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import type { SimulatedServer } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const BOB = "sip:bob@example.com" as Aor;

/** Bob's device has taken a message, and the link broke before his server, two, could say so to joe's. */
async function takenAndUnheardOf() {
  const domain = new SimulatedDomain();
  const [one, two] = [domain.server("one"), domain.server("two")];
  const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
  await bob.register();
  bob.client.onRequest((incoming) => {
    domain.network.links.cut(two.id, one.id);
    incoming.respond(createResponse(incoming.request, 200));
  });
  expect((await joe.message(BOB, "hello?")).status).to.equal(202);
  expect(bob.texts()).to.deep.equal(["hello?"]);
  return { domain, one, two, bob };
}

const ends: [name: string, end: (domain: SimulatedDomain, server: SimulatedServer) => unknown][] = [
  ["is stopped and started again", (domain, server) => domain.stop(server)],
  ["dies, and is started again", (domain, server) => domain.kill(server)],
];

describe("a message that was delivered, of which its sender's server has not heard", () => {
  for (const [name, end] of ends) {
    it(`is not delivered again when the user's server ${name} before it is asked`, async () => {
      const { domain, one, two, bob } = await takenAndUnheardOf();
      await end(domain, two);
      domain.network.links.heal(two.id, one.id);
      const again = domain.restart(two);
      await domain.time.advance(600_000);
      expect(bob.texts()).to.deep.equal(["hello?"]);
      expect([one.held.status.messages, again.counters.get("messaging.repeated")]).to.deep.equal([0, 1]);
    });
  }

  it("is not delivered again when it is asked for by who does not hold it: its sender still waits", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    await bob.register();
    let again: SimulatedServer | undefined;
    bob.client.onRequest((incoming) => {
      incoming.respond(createResponse(incoming.request, 200));
      domain.network.links.cut(two.id, one.id);
      domain.time.after(1_600, () => {
        domain.kill(two);
        again = domain.restart(two);
        domain.network.links.heal(two.id, one.id);
      });
    });
    expect((await joe.message(BOB, "hello?", [["Expires", "0"]])).status).to.equal(200);
    expect(bob.texts()).to.deep.equal(["hello?"]);
    expect(again?.counters.get("messaging.repeated")).to.equal(1);
  });

  it("costs no row where the links hold", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    await bob.register();
    let rows = 0;
    const { delivered } = two.storage.messages;
    two.storage.messages.delivered = (key, forgetAtMs) => {
      rows += 1;
      delivered(key, forgetAtMs);
    };
    for (let i = 0; i < 100; i++) expect((await joe.message(BOB, String(i))).status).to.equal(200);
    await domain.time.advance(20_000);
    expect((await joe.message(BOB, "the last")).status).to.equal(200);
    expect(rows).to.equal(0);
    await domain.stop(two);
    expect(rows, "the one whose answer may be on its way").to.equal(1);
  });
});
