import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { formatBallot } from "../../../dht-schema/ballot.ts";
import { loopPartOf } from "../../../node/federation/loops.ts";
import { createRequest } from "../../../node/sip/message/build.ts";
import { createHeaders } from "../../../node/sip/message/headers.ts";
import { randomBranch, randomTag } from "../../../node/sip/message/tags.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const BOB = "sip:bob@example.com" as Aor;

describe("a SUBSCRIBE that goes in circles", () => {
  it("that has left the server as it comes back is answered 482 and counted, whether it begins a subscription or not", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const joe = domain.phone("joe", one);
    const branch = randomBranch(loopPartOf({ uri: BOB, headers: createHeaders() }));
    const subscribe = (to: string) =>
      createRequest({
        method: "SUBSCRIBE",
        uri: BOB,
        from: `<${joe.aor}>;tag=${randomTag()}`,
        to,
        headers: [
          ["Via", `SIP/2.0/MESH one.invalid;branch=${branch}`],
          ["Event", "presence"],
          ["Contact", `<${joe.client.contact}>`],
        ],
      });
    for (const to of [`<${BOB}>`, `<${BOB}>;tag=t`])
      expect((await domain.time.until(joe.client.send(subscribe(to)))).status, to).to.equal(482);
    expect(one.counters.get("federation.loops")).to.equal(2);
    expect(one.presence.status().watchers).to.equal(0);
  });

  it("between two servers that each think the user is at the other, is answered by each and sent on by none", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const joe = domain.phone("joe", one);
    const epoch = domain.directory.move(BOB, one.locator);
    domain.directory.move(BOB, two.locator);
    domain.directory.vacate(BOB, two.locator, "released");
    // Each has a note that leads to the other, and each is asked by the other.
    two.locator.handOver(BOB, epoch, { server: one.id, epoch });
    one.locator.believe(BOB, { kind: "server", server: two.id, epoch });
    two.locator.believe(BOB, { kind: "server", server: one.id, epoch });
    const ask = (from: typeof one, to: typeof one) =>
      domain.time.until(
        from.stack.send(
          createRequest({
            method: "SUBSCRIBE",
            uri: BOB,
            from: `<${joe.aor}>;tag=${randomTag()}`,
            to: `<${BOB}>`,
            headers: [
              ["Event", "presence"],
              ["Contact", `<${joe.aor}>`],
              ["P-Asserted-Identity", `<${joe.aor}>`],
              ["Aorta-Epoch", formatBallot(epoch)],
            ],
          }),
          { transport: "MESH", server: to.id },
        ),
      );
    expect((await ask(one, two)).status).to.equal(302);
    expect((await ask(two, one)).status).to.equal(302);
    expect(domain.network.log.filter(({ request }) => request.method === "SUBSCRIBE")).to.have.length(2);

    const { status } = await domain.time.until(joe.subscribe(BOB));
    expect(status).to.equal(200);
    await domain.time.advance(60_000);
    const between = domain.network.log.filter(({ request, to }) => request.method === "SUBSCRIBE" && to !== "one");
    expect(between.length, "nobody has the user, and nobody is asked again and again").to.be.at.most(2);
    expect(joe.news().map(({ state }) => state)).to.deep.equal(["pending"]);
  });

  it("whose Contact is the server itself gets one NOTIFY, which comes back to be answered 481 and ends it", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const joe = domain.phone("joe", one);
    // A watcher behind a proxy that follows the Request-URI.
    joe.client.onRequest((incoming) => void joe.client.send(incoming.request).then(incoming.respond));
    const request = createRequest({
      method: "SUBSCRIBE",
      uri: BOB,
      from: `<${joe.aor}>;tag=${randomTag()}`,
      to: `<${BOB}>`,
      headers: [
        ["Event", "presence"],
        ["Contact", "<sip:joe@127.0.0.1:5060>"],
      ],
    });
    expect((await domain.time.until(joe.client.send(request))).status).to.equal(200);
    await domain.time.advance(60_000);
    expect(domain.network.log.filter(({ request: { method } }) => method === "NOTIFY")).to.have.length(2);
    expect(one.presence.status().watchers).to.equal(0);
  });
});
