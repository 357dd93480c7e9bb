import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import type { ClientAuthenticator } from "../../../node/federation/edge.ts";
import { createRequest, createResponse } from "../../../node/sip/message/build.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const BOB = "sip:bob@example.com" as Aor;

describe("who a request is from", () => {
  it("is never what a client asserts of itself", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [mallory, bob] = [domain.device("mallory", one), domain.device("bob", two)];
    await bob.register();
    const forged: [string, string][] = [
      ["P-Asserted-Identity", "<sip:ceo@example.com>"],
      ["p-asserted-identity", '"CEO" <sip:ceo@example.com>, <tel:+1>'],
      ["Aorta-Epoch", "9.9.9"],
      ["Aorta-Owner", "one"],
    ];
    expect((await mallory.message(BOB, "trust me", forged)).status).to.equal(200);
    const onMesh = domain.network.log.find(
      ({ from, to, request }) => from === "one" && to === "two" && request.method === "MESSAGE",
    )?.request;
    expect(onMesh?.headers.all("P-Asserted-Identity")).to.deep.equal(["<sip:mallory@example.com>"]);
    expect(onMesh?.headers.get("Aorta-Epoch")).to.not.equal("9.9.9");
    expect(onMesh?.headers.has("Aorta-Owner")).to.equal(false);
    expect(bob.client.received[0]?.headers.all("P-Asserted-Identity")).to.deep.equal(["<sip:mallory@example.com>"]);
  });

  it("is not shown to the receiver when the sender asks for privacy", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", one)];
    await bob.register();
    await joe.message(BOB, "psst", [["Privacy", "id"]]);
    expect(bob.client.received[0]?.headers.has("P-Asserted-Identity")).to.equal(false);
  });

  it("must be the user whom the credentials name, and these go no further", async () => {
    /** Knows who holds which password; stands for digest, which has its own tests. */
    const authenticator: ClientAuthenticator = {
      authenticate(request, as) {
        const user = request.headers.get("Proxy-Authorization") ?? request.headers.get("Authorization");
        return user === undefined
          ? { kind: "refused", refusal: { status: as === "proxy" ? 407 : 401, reason: "Who Are You" } }
          : { kind: "user", aor: user as Aor };
      },
    };
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one", { authenticator }), domain.server("two")];
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    await bob.register();
    const as = (user: string): [string, string][] => [["Proxy-Authorization", user]];
    expect((await joe.message(BOB, "hi")).status).to.equal(407);
    expect((await joe.register()).status).to.equal(401);
    expect((await joe.message(BOB, "hi", as("sip:mallory@example.com"))).status).to.equal(403);
    expect(one.stack.knownFlows, "who has shown nothing").to.deep.equal([]);
    expect((await joe.message(BOB, "hi", as(joe.aor))).status).to.equal(200);
    expect(one.stack.knownFlows, "who has").to.deep.equal([joe.client.flow]);
    expect(
      domain.network.log.filter(({ to, request }) => to === "two" && request.headers.has("Proxy-Authorization")),
    ).to.deep.equal([]);
    expect(bob.texts()).to.deep.equal(["hi"]);
  });

  it("must be a user of this domain where nobody authenticates", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const joe = domain.device("joe", one);
    const stranger = { from: "<sip:joe@elsewhere.org>;tag=1", to: `<${BOB}>` };
    expect((await joe.send(createRequest({ method: "MESSAGE", uri: BOB, ...stranger }))).status).to.equal(403);
  });

  it("is a server's word in the mesh only: a device cannot say that the user has moved", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    await bob.register();
    bob.client.onRequest((incoming) =>
      incoming.respond(createResponse(incoming.request, 404, { headers: [["Aorta-Epoch", "9.9.9"]] })),
    );
    const answer = await joe.message(BOB, "hi");
    expect([answer.status, answer.headers.has("Aorta-Epoch")]).to.deep.equal([404, false]);
    expect(bob.texts()).to.deep.equal(["hi"]);
    expect(one.locator.newestEpoch(BOB)?.version).to.equal(1);
  });
});

describe("what the edge answers by itself", () => {
  it("tells anybody what the node can do", async () => {
    const domain = new SimulatedDomain();
    const joe = domain.device("joe", domain.server("one"));
    const fields = { from: "<sip:anybody@elsewhere.org>;tag=1", to: "<sip:example.com>" };
    const answer = await joe.send(createRequest({ method: "OPTIONS", uri: "sip:127.0.0.1:5060", ...fields }));
    expect(answer.status).to.equal(200);
    expect(answer.headers.get("Allow")).to.equal(
      "REGISTER, PUBLISH, SUBSCRIBE, NOTIFY, MESSAGE, OPTIONS, INVITE, ACK, BYE, CANCEL",
    );
    expect(answer.headers.get("Accept")).to.equal("application/pidf+xml");
    expect(answer.headers.get("Contact")).to.equal("<sip:127.0.0.1:5060>");
  });

  const outcomes: [string, string, number][] = [
    ["INVITE", BOB, 481],
    ["INFO", BOB, 481],
    ["CANCEL", BOB, 481],
    ["NOTIFY", BOB, 481],
    ["MESSAGE", "sip:bob@elsewhere.org", 403],
  ];
  for (const [method, uri, status] of outcomes) {
    it(`answers ${status} to ${method} for ${uri}`, async () => {
      const domain = new SimulatedDomain();
      const joe = domain.device("joe", domain.server("one"));
      const headers: [string, string][] = [
        ["Event", "presence"],
        ["Subscription-State", "active"],
      ];
      const fields = { from: `<${joe.aor}>;tag=1`, to: `<${uri}>;tag=2`, headers };
      expect((await joe.send(createRequest({ method, uri, ...fields }))).status).to.equal(status);
    });
  }

  it("lets no server register a user", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const fields = {
      from: `<${BOB}>;tag=1`,
      to: `<${BOB}>`,
      headers: [
        ["P-Asserted-Identity", `<${BOB}>`],
        ["Contact", "<sip:bob@127.0.0.1:7>"],
      ] as [string, string][],
    };
    const register = createRequest({ method: "REGISTER", uri: "sip:example.com", ...fields });
    const answer = await domain.time.until(one.stack.send(register, { transport: "MESH", server: two.id }));
    expect(answer.status).to.equal(403);
  });
});
