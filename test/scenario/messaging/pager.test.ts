import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { createRequest, createResponse } from "../../../node/sip/message/build.ts";
import type { SimulatedServer } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const BOB = "sip:bob@example.com" as Aor;
/** Of a message that is not to be held. */
const NOW_OR_NEVER: [string, string][] = [["Expires", "0"]];

/** Requests of a method that went from server to server; clients are named by their address. */
function crossed(domain: SimulatedDomain, method: string): string[] {
  return domain.network.log
    .filter(({ from, to, request }) => request.method === method && !`${from}${to}`.includes(":"))
    .map(({ from, to }) => `${from} → ${to}`);
}

function threeServers(): {
  domain: SimulatedDomain;
  one: SimulatedServer;
  two: SimulatedServer;
  three: SimulatedServer;
} {
  const domain = new SimulatedDomain();
  return { domain, one: domain.server("one"), two: domain.server("two"), three: domain.server("three") };
}

describe("a message to a user", () => {
  it("on the same server goes to the device over its flow", async () => {
    const { domain, one } = threeServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", one)];
    await bob.register();
    expect((await joe.message(BOB, "hello")).status).to.equal(200);
    expect(bob.texts()).to.deep.equal(["hello"]);
    expect(bob.client.received[0]?.uri).to.equal(bob.client.contact);
    expect(crossed(domain, "MESSAGE")).to.deep.equal([]);
  });

  it("on another server crosses the mesh once, with the sender's identity and as it was written", async () => {
    const { domain, one, two } = threeServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    await bob.register();
    const cpim: [string, string][] = [
      ["Content-Type", "message/cpim"],
      ["Subject", "x"],
    ];
    const body =
      "From: <sip:joe@example.com>\r\nNS: imdn <urn:ietf:params:imdn>\r\n\r\nContent-Type: text/plain\r\n\r\nhi";
    const fields = { from: `<${joe.aor}>;tag=m`, to: `<${BOB}>`, callId: "c1", cseq: 9, headers: cpim, body };
    expect((await joe.send(createRequest({ method: "MESSAGE", uri: BOB, ...fields }))).status).to.equal(200);
    expect(crossed(domain, "MESSAGE")).to.deep.equal(["one → two"]);
    const onMesh = domain.network.log.find(
      ({ from, to, request }) => from === "one" && to === "two" && request.method === "MESSAGE",
    )?.request;
    expect(onMesh?.headers.get("P-Asserted-Identity")).to.equal("<sip:joe@example.com>");
    expect(onMesh?.headers.get("Aorta-Epoch")).to.match(/^\d+\.\d+\.\d+$/);
    const [received] = bob.client.received;
    expect(Buffer.from(received?.body ?? []).toString()).to.equal(body);
    expect(received?.headers.get("From")).to.equal(`<${joe.aor}>;tag=m`);
    for (const [name, value] of [["To", `<${BOB}>`], ["Call-ID", "c1"], ["CSeq", "9 MESSAGE"], ...cpim] as const) {
      expect(received?.headers.get(name)).to.equal(value);
    }
    expect(received?.headers.get("Max-Forwards")).to.equal("68");
    expect(received?.headers.has("Aorta-Epoch")).to.equal(false);
  });

  it("leaves behind the Route that led it to the sender's server", async () => {
    const { domain, one, two } = threeServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    await bob.register();
    expect((await joe.message(BOB, "by proxy", [["Route", "<sip:127.0.0.1:5060;lr>"]])).status).to.equal(200);
    expect(bob.client.received[0]?.headers.has("Route")).to.equal(false);
  });

  it("takes the path that the device's REGISTER came by (RFC 3327)", async () => {
    const { domain, one } = threeServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", one)];
    const path = ["<sip:token@192.0.2.1;lr>", "<sip:192.0.2.2;lr>"];
    const registered = await bob.sendRegister([
      ["Contact", "<sip:bob@10.0.0.1>"],
      ["Supported", "path"],
      ...path.map((hop): [string, string] => ["Path", hop]),
    ]);
    expect(registered.headers.all("Path")).to.deep.equal(path);
    expect((await joe.message(BOB, "by proxy")).status).to.equal(200);
    expect(bob.client.received[0]?.uri).to.equal("sip:bob@10.0.0.1");
    expect(bob.client.received[0]?.headers.all("Route")).to.deep.equal(path);
  });

  it("goes once to a device of several flows: by the one registered last, while that lasts (RFC 5626)", async () => {
    const { domain, one } = threeServers();
    const joe = domain.device("joe", one);
    const flows = [1, 2].map((regId) => ({ regId, device: domain.device("bob", one, { transport: "WS" }) }));
    for (const { regId, device } of flows) {
      const registered = await device.sendRegister([
        ["Contact", `<${device.client.contact}>;reg-id=${regId};+sip.instance="<urn:uuid:1>"`],
        ["Supported", "outbound, path"],
      ]);
      expect(registered.headers.get("Require")).to.equal("outbound");
    }
    const [first, second] = flows.map(({ device }) => device);
    await joe.message(BOB, "one");
    expect([first?.texts(), second?.texts()]).to.deep.equal([[], ["one"]]);
    second?.client.close();
    await joe.message(BOB, "two");
    expect([first?.texts(), second?.texts()]).to.deep.equal([["two"], ["one"]]);
  });

  it("to a SIPS address goes only to a device that registered with one over TLS (RFC 5630)", async () => {
    const { domain, one, two } = threeServers();
    const joe = domain.device("joe", one, { transport: "TLS" });
    const [phone, desk] = [domain.device("bob", two), domain.device("bob", two, { transport: "TLS" })];
    const secret = "sips:bob@example.com";
    await phone.register();
    const refused = await joe.message(secret, "for nobody", NOW_OR_NEVER);
    expect(refused.status).to.equal(480);
    expect(refused.headers.get("Warning")).to.match(/^380 /);
    await desk.sendRegister([["Contact", `<${desk.client.contact.replace(/^sip:/, "sips:")}>`]]);
    expect((await joe.message(secret, "for one")).status).to.equal(200);
    expect([phone.texts(), desk.texts()]).to.deep.equal([[], ["for one"]]);
    expect((await joe.message(BOB, "for all")).status).to.equal(200);
    expect([phone.texts(), desk.texts()]).to.deep.equal([["for all"], ["for one", "for all"]]);
  });

  it("goes to all devices at once and is accepted with the first that takes it", async () => {
    const { domain, one, two } = threeServers();
    const [joe, deaf, desk, busy] = [
      domain.device("joe", one),
      domain.device("bob", two),
      domain.device("bob", two),
      domain.device("bob", two),
    ];
    for (const device of [deaf, desk, busy]) await device.register();
    deaf.client.onRequest(() => {});
    busy.client.onRequest((incoming) => incoming.respond(createResponse(incoming.request, 486)));
    const startMs = domain.time.monotonicMs();
    expect((await joe.message(BOB, "anyone?")).status).to.equal(200);
    expect(domain.time.monotonicMs() - startMs).to.be.lessThan(100);
    expect([deaf, desk, busy].map((device) => device.texts())).to.deep.equal([["anyone?"], ["anyone?"], ["anyone?"]]);
  });

  it("gets the best of what its devices answered when none takes it", async () => {
    const { domain, one } = threeServers();
    const [joe, a, b] = [domain.device("joe", one), domain.device("bob", one), domain.device("bob", one)];
    for (const device of [a, b]) await device.register();
    a.client.onRequest((incoming) => incoming.respond(createResponse(incoming.request, 486)));
    b.client.onRequest((incoming) =>
      incoming.respond(createResponse(incoming.request, 415, { headers: [["Accept", "text/html"]] })),
    );
    const answer = await joe.message(BOB, "hm");
    expect([answer.status, answer.headers.get("Accept")]).to.deep.equal([415, "text/html"]);
  });

  it("whose devices are silent is answered 480 while the sender still listens", async () => {
    const { domain, one, two } = threeServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", two)];
    await bob.register();
    bob.client.onRequest(() => {});
    const startMs = domain.time.monotonicMs();
    expect((await joe.message(BOB, "hm", NOW_OR_NEVER)).status).to.equal(480);
    expect(domain.time.monotonicMs() - startMs).to.be.lessThan(32_000);
  });

  it("who is nowhere is answered 480, with when to try again", async () => {
    const { domain, one } = threeServers();
    const answer = await domain.device("joe", one).message(BOB, "hm", NOW_OR_NEVER);
    expect([answer.status, answer.headers.get("Retry-After")]).to.deep.equal([480, "30"]);
  });

  it("is answered 503 while the directory cannot be reached", async () => {
    const { domain, one } = threeServers();
    one.locator.cutOff();
    const answer = await domain.device("joe", one).message(BOB, "hm", NOW_OR_NEVER);
    expect([answer.status, answer.headers.get("Retry-After")]).to.deep.equal([503, "10"]);
  });

  it("does not go back to the device that sent it", async () => {
    const { domain, one } = threeServers();
    const [desk, mobile] = [domain.device("bob", one), domain.device("bob", one)];
    await desk.register();
    expect((await desk.message(BOB, "note to self")).status).to.equal(482);
    await mobile.register();
    expect((await desk.message(BOB, "note to self")).status).to.equal(200);
    expect([desk.texts(), mobile.texts()]).to.deep.equal([[], ["note to self"]]);
  });

  it("is refused when it is too large, names no type, or may go no further", async () => {
    const { domain, one } = threeServers();
    const [joe, bob] = [domain.device("joe", one), domain.device("bob", one)];
    await bob.register();
    const fields = { method: "MESSAGE", uri: BOB, from: `<${joe.aor}>;tag=m`, to: `<${BOB}>` };
    expect((await joe.message(BOB, "x".repeat(33 * 1024))).status).to.equal(413);
    expect((await joe.send(createRequest({ ...fields, body: "typeless" }))).status).to.equal(400);
    expect((await joe.message(BOB, "last hop", [["Max-Forwards", "0"]])).status).to.equal(483);
    expect(bob.texts()).to.deep.equal([]);
  });
});

describe("a message to a user who moves", () => {
  it("reaches them although the sender's server believes the old owner", async () => {
    const { domain, one, two, three } = threeServers();
    const [joe, old, current] = [domain.device("joe", one), domain.device("bob", two), domain.device("bob", three)];
    await old.register();
    const epoch = two.locator.owned(BOB);
    await current.register();
    one.locator.believe(BOB, { kind: "server", server: two.id, epoch: epoch ?? { version: 0, counter: 0, member: 0 } });
    expect((await joe.message(BOB, "catch me")).status).to.equal(200);
    expect(crossed(domain, "MESSAGE")).to.deep.equal(["one → two", "two → three"]);
    expect([old.texts(), current.texts()]).to.deep.equal([[], ["catch me"]]);
    expect(two.counters.get("federation.forwarded_after_move")).to.equal(1);
  });

  it("reaches them when the old owner's note is gone too: the sender looks again", async () => {
    const { domain, one, two, three } = threeServers();
    const [joe, old, current] = [domain.device("joe", one), domain.device("bob", two), domain.device("bob", three)];
    await old.register();
    const epoch = two.locator.owned(BOB);
    await current.register();
    await domain.time.advance(10_000);
    one.locator.believe(BOB, { kind: "server", server: two.id, epoch: epoch ?? { version: 0, counter: 0, member: 0 } });
    expect((await joe.message(BOB, "catch me")).status).to.equal(200);
    expect(crossed(domain, "MESSAGE")).to.deep.equal(["one → two", "one → three"]);
    expect(current.texts()).to.deep.equal(["catch me"]);
  });

  it("reaches them when they move while the message is on its way", async () => {
    const { domain, one, two, three } = threeServers();
    const [joe, old, current] = [domain.device("joe", one), domain.device("bob", two), domain.device("bob", three)];
    await old.register();
    const [sent, registered] = await Promise.all([joe.message(BOB, "now"), current.register()]);
    expect([sent.status, registered.status]).to.deep.equal([200, 200]);
    expect([...old.texts(), ...current.texts()]).to.deep.equal(["now"]);
  });

  it("reaches them when they move away from the sender's own server after the lookup", async () => {
    const { domain, one, two } = threeServers();
    const [joe, old, current] = [domain.device("joe", one), domain.device("bob", one), domain.device("bob", two)];
    await old.register();
    const epoch = one.locator.owned(BOB);
    await current.register();
    one.locator.believe(BOB, { kind: "here", epoch: epoch ?? { version: 0, counter: 0, member: 0 } });
    expect((await joe.message(BOB, "over there")).status).to.equal(200);
    expect(current.texts()).to.deep.equal(["over there"]);
  });

  it("reaches them when they have come back to where they were, under a new epoch", async () => {
    const { domain, one, two, three } = threeServers();
    const [joe, bob, elsewhere] = [domain.device("joe", one), domain.device("bob", two), domain.device("bob", three)];
    await bob.register();
    const epoch = two.locator.owned(BOB);
    await elsewhere.register();
    bob.restart();
    await bob.register();
    one.locator.believe(BOB, { kind: "server", server: two.id, epoch: epoch ?? { version: 0, counter: 0, member: 0 } });
    expect((await joe.message(BOB, "welcome back")).status).to.equal(200);
    expect(bob.texts()).to.deep.equal(["welcome back"]);
    expect(crossed(domain, "MESSAGE")).to.deep.equal(["one → two", "one → two"]);
  });

  it("is answered 480 while their server is dead and its lease runs, and arrives when they are back", async () => {
    const { domain, one, two, three } = threeServers();
    const [joe, old, current] = [domain.device("joe", one), domain.device("bob", two), domain.device("bob", three)];
    await old.register();
    domain.network.kill(two.id);
    two.locator.kill();
    expect((await joe.message(BOB, "lost", NOW_OR_NEVER)).status).to.equal(480);
    await current.register();
    expect((await joe.message(BOB, "found")).status).to.equal(200);
    expect(current.texts()).to.deep.equal(["found"]);
  });

  it("is not sent to their new server too when the old one took it and its answer was lost", async () => {
    const { domain, one, two, three } = threeServers();
    const [joe, old, current] = [domain.device("joe", one), domain.device("bob", two), domain.device("bob", three)];
    await old.register();
    old.client.onRequest((incoming) => {
      domain.network.freeze(two.id);
      incoming.respond(createResponse(incoming.request, 200));
    });
    const answer = joe.message(BOB, "once");
    await domain.time.advance(100);
    await current.register();
    expect((await answer).status).to.be.oneOf([408, 504]);
    await domain.time.advance(60_000);
    expect([...old.texts(), ...current.texts()]).to.deep.equal(["once"]);
    expect(crossed(domain, "MESSAGE")).to.deep.equal(["one → two"]);
  });
});
