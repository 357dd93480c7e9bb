import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const BOB = "sip:bob@example.com" as Aor;
const NOW_OR_NEVER: [string, string][] = [["Expires", "0"]];

/** Bob is at server two and takes what comes; joe writes at server one. */
async function apart() {
  const domain = new SimulatedDomain();
  const [one, two] = [domain.server("one"), domain.server("two")];
  const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
  await bob.register();
  return { domain, one, two, joe, bob };
}

describe("a message whose way to its user's server breaks", () => {
  it("is answered as its user's device has answered: it is asked for again over the new link, and is not delivered again", async () => {
    const { domain, one, two, joe, bob } = await apart();
    bob.client.onRequest((incoming) => {
      domain.network.links.cut(two.id, one.id);
      domain.time.after(2_000, () => domain.network.links.heal(two.id, one.id));
      incoming.respond(createResponse(incoming.request, 200));
    });
    expect((await joe.message(BOB, "hello?", NOW_OR_NEVER)).status).to.equal(200);
    expect(bob.texts()).to.deep.equal(["hello?"]);
    expect(two.counters.get("messaging.repeated")).to.equal(1);
  });

  it("arrives over the new link where it did not arrive over the old one", async () => {
    const { domain, one, two, joe, bob } = await apart();
    domain.network.links.cut(one.id, two.id);
    domain.time.after(2_000, () => domain.network.links.heal(one.id, two.id));
    expect((await joe.message(BOB, "hello?", NOW_OR_NEVER)).status).to.equal(200);
    expect(bob.texts()).to.deep.equal(["hello?"]);
  });

  it("waits for a link that is down when it comes, and is held where there is none in time", async () => {
    const { domain, one, two, joe, bob } = await apart();
    domain.network.links.cut(one.id, two.id);
    await domain.time.advance(5_000);
    domain.network.links.heal(one.id, two.id);
    expect((await joe.message(BOB, "soon")).status).to.equal(200);
    domain.network.links.cut(one.id, two.id);
    await domain.time.advance(5_000);
    const before = domain.time.monotonicMs();
    expect((await joe.message(BOB, "later")).status).to.equal(202);
    expect(domain.time.monotonicMs() - before).to.be.within(limits.federation.linkMs, limits.federation.linkMs + 100);
    domain.network.links.heal(one.id, two.id);
    await domain.time.advance(60_000);
    expect(bob.texts()).to.deep.equal(["soon", "later"]);
  });

  it("is not said to be undelivered where nobody knows: 504, when it may not be held and no link comes in time", async () => {
    const { domain, one, two, joe, bob } = await apart();
    bob.client.onRequest((incoming) => {
      domain.network.links.cut(two.id, one.id);
      incoming.respond(createResponse(incoming.request, 200));
    });
    const { status, headers } = await joe.message(BOB, "hello?", NOW_OR_NEVER);
    expect(status).to.equal(504);
    expect(headers.has("Aorta-Local"), "what only servers say").to.equal(false);
    expect(bob.texts()).to.deep.equal(["hello?"]);
  });

  it("is not said to be undelivered by the next server of its user, which cannot know", async () => {
    const { domain, one, two, joe, bob } = await apart();
    const three = domain.server("three");
    const elsewhere = domain.device("bob", three);
    elsewhere.client.onRequest((incoming) => incoming.respond(createResponse(incoming.request, 480)));
    bob.client.onRequest((incoming) => {
      domain.network.links.cut(two.id, one.id);
      void elsewhere.client.send(elsewhere.registration());
      incoming.respond(createResponse(incoming.request, 200));
    });
    expect((await joe.message(BOB, "hello?", NOW_OR_NEVER)).status).to.equal(504);
    expect(elsewhere.texts()).to.deep.equal(["hello?"]);
  });

  it("is not said to be undelivered where the link broke between their last server, which sent it on, and the next", async () => {
    const { domain, one, two, joe, bob } = await apart();
    const three = domain.server("three");
    const epoch = two.locator.owned(BOB)!;
    const elsewhere = domain.device("bob", three);
    await elsewhere.register();
    one.locator.believe(BOB, { kind: "server", server: two.id, epoch });
    elsewhere.client.onRequest((incoming) => {
      incoming.respond(createResponse(incoming.request, 200));
      domain.network.links.cut(three.id, two.id);
      domain.network.links.cut(one.id, three.id);
    });
    expect((await joe.message(BOB, "hello?", NOW_OR_NEVER)).status).to.equal(504);
    expect([bob.texts(), elsewhere.texts()]).to.deep.equal([[], ["hello?"]]);
  });

  it("is said to be undelivered where it certainly is", async () => {
    const { domain, one, two, joe } = await apart();
    domain.network.links.cut(one.id, two.id);
    await domain.time.advance(5_000);
    expect((await joe.message(BOB, "hello?", NOW_OR_NEVER)).status).to.equal(480);
  });
});
