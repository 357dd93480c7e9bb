import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const BOB = "sip:bob@example.com" as Aor;

function threeServers() {
  const domain = new SimulatedDomain();
  const [one, two, three] = ["one", "two", "three"].map((name) => domain.server(name));
  return { domain, one: one!, two: two!, three: three! };
}

describe("a message that more than one server has", () => {
  it("is delivered once, though a server that left gave it to two: the first had taken it, and could not say so", async () => {
    const { domain, one, two, three } = threeServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    expect((await joe.message(BOB, "hello?")).status).to.equal(202);
    domain.network.links.cut(two.id, one.id);
    await domain.time.until(domain.leave(one, () => [two, three]));
    expect([two, three].map(({ held }) => held.status.messages)).to.deep.equal([1, 1]);
    await bob.register();
    await domain.time.advance(600_000);
    expect(bob.texts()).to.deep.equal(["hello?"]);
    expect([two, three].map(({ held }) => held.status.messages)).to.deep.equal([0, 0]);
  });

  it("is delivered once, though the other holder brings it while the device still thinks", async () => {
    const { domain, one, two, three } = threeServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    bob.client.onRequest((incoming) => {
      domain.time.after(10_000, () => incoming.respond(createResponse(incoming.request, 200)));
    });
    expect((await joe.message(BOB, "hello?")).status).to.equal(202);
    domain.network.links.cut(two.id, one.id);
    await domain.time.until(domain.leave(one, () => [two, three]));
    await bob.register();
    await domain.time.advance(600_000);
    expect(bob.texts()).to.deep.equal(["hello?"]);
    expect([two, three].map(({ held }) => held.status.messages)).to.deep.equal([0, 0]);
  });

  it("is delivered once, though their last server still holds it: they have come to the sender's, which did not hear so", async () => {
    const { domain, one, two } = threeServers();
    const [joe, before, bob] = [domain.device("joe", one), domain.device("bob", two), domain.device("bob", one)];
    await before.register();
    before.client.onRequest((incoming) => {
      // They have gone, and the link breaks before their server can tell that it holds the message.
      void bob.client.send(bob.registration());
      domain.network.links.cut(two.id, one.id);
      domain.time.after(5_000, () => domain.network.links.heal(two.id, one.id));
      incoming.respond(createResponse(incoming.request, 480));
    });
    expect((await joe.message(BOB, "hello?")).status).to.equal(200);
    await domain.time.advance(600_000);
    expect(bob.texts()).to.deep.equal(["hello?"]);
    expect(two.held.status.messages).to.equal(0);
  });

  it("is not taken for delivered by a server that has only sent it on: they come back there, and get it", async () => {
    const { domain, one, two, three } = threeServers();
    const [joe, bob, away] = [domain.device("joe", three), domain.device("bob", one), domain.device("bob", two)];
    await bob.register();
    const epoch = one.locator.owned(BOB)!;
    await away.register();
    away.client.onRequest((incoming) => incoming.respond(createResponse(incoming.request, 480)));
    three.locator.believe(BOB, { kind: "server", server: one.id, epoch });
    expect((await joe.message(BOB, "hello?")).status).to.equal(202);
    expect(one.counters.get("federation.forwarded_after_move")).to.equal(1);
    expect(two.held.status.messages).to.equal(1);
    bob.restart();
    await bob.register();
    await domain.time.advance(600_000);
    expect(bob.texts()).to.deep.equal(["hello?"]);
  });
});
