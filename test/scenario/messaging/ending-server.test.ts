import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";
import { RestlessDevice } from "./restless-device.ts";

const BOB = "sip:bob@example.com" as Aor;

function threeServers() {
  const domain = new SimulatedDomain();
  const [one, two, three] = ["one", "two", "three"].map((name) => domain.server(name));
  const writer = new RestlessDevice(domain, "joe", domain.network.client(one!.id));
  return { domain, one: one!, two: two!, three: three!, writer };
}

describe("messages at a server that stops", () => {
  it("queue behind one whose delivery is not over, and come in order when the server is back", async () => {
    const { domain, one, two, writer } = threeServers();
    const bob = domain.device("bob", two);
    expect((await domain.time.until(writer.message(BOB, "first"))).status).to.equal(202);
    bob.client.onRequest((incoming) => {
      domain.time.after(15_000, () => incoming.respond(createResponse(incoming.request, 200)));
    });
    await bob.register();
    await domain.time.advance(100);
    expect(bob.texts()).to.deep.equal(["first"]);
    const stopped = one.held.stop();
    const answers = [writer.message(BOB, "second"), writer.message(BOB, "third")];
    await domain.time.until(stopped);
    expect((await domain.time.until(Promise.all(answers))).map(({ status }) => status)).to.deep.equal([202, 202]);
    await domain.stop(one);
    expect(bob.texts(), "none has overtaken it").to.deep.equal(["first"]);
    await domain.time.advance(20_000);
    bob.client.onRequest((incoming) => incoming.respond(createResponse(incoming.request, 200)));
    domain.restart(one);
    await domain.time.advance(30_000);
    expect(bob.texts()).to.deep.equal(["first", "second", "third"]);
  });

  it("are answered as long as their devices do not take too long, so that nobody sends them to it again", async () => {
    const { domain, one, two, writer } = threeServers();
    for (const [name, server, answerMs] of [
      ["bob", two, 500],
      ["carol", one, 500],
      ["dave", two, 60_000],
    ] as const) {
      const device = domain.device(name, server);
      device.client.onRequest((incoming) => {
        domain.time.after(answerMs, () => incoming.respond(createResponse(incoming.request, 200)));
      });
      await device.register();
    }
    const heard: string[] = [];
    for (const name of ["bob", "carol", "dave"])
      void writer
        .message(`sip:${name}@example.com` as Aor, "hello")
        .then(({ status }) => heard.push(`${name} ${status}`));
    await domain.time.advance(100);
    await domain.stop(one);
    expect(heard).to.have.members(["bob 200", "carol 200"]);
  });

  it("are held when they cannot be delivered then, as at any other time", async () => {
    const { domain, one, two, writer } = threeServers();
    void one.held.stop();
    expect((await domain.time.until(writer.message(BOB, "hello?"))).status).to.equal(202);
    await domain.stop(one);
    domain.restart(one);
    const bob = domain.device("bob", two);
    await bob.register();
    await domain.time.advance(1_000);
    expect(bob.texts()).to.deep.equal(["hello?"]);
  });
});

describe("messages at a server that leaves for good", () => {
  it("are handed on behind those that it held, though they come while it does so", async () => {
    const { domain, one, two, three, writer } = threeServers();
    for (const text of ["1", "2"]) expect((await domain.time.until(writer.message(BOB, text))).status).to.equal(202);
    let isReady = false;
    const left = domain.leave(one, () => (isReady ? [two, three] : []));
    await domain.time.advance(100);
    const bob = new RestlessDevice(domain, "bob", domain.network.client(three.id));
    void bob.register();
    await domain.time.advance(100);
    expect((await domain.time.until(writer.message(BOB, "3"))).status).to.equal(202);
    expect((await domain.time.until(writer.message("sip:carol@example.com", "for another"))).status).to.equal(202);
    expect(bob.texts()).to.deep.equal([]);
    isReady = true;
    await domain.time.until(left);
    await domain.time.advance(60_000);
    expect(bob.texts()).to.deep.equal(["1", "2", "3"]);
    expect(two.held.status.messages + three.held.status.messages, "for another").to.equal(1);
  });

  it("are refused when it holds nothing more and others wait elsewhere: they do not go past them", async () => {
    const { domain, one, two, three, writer } = threeServers();
    expect((await domain.time.until(writer.message(BOB, "1"))).status).to.equal(202);
    domain.network.links.cut(two.id, three.id);
    const left = domain.leave(one, () => [two]);
    await domain.time.advance(100);
    const bob = new RestlessDevice(domain, "bob", domain.network.client(three.id));
    void bob.register();
    await domain.time.advance(100);
    expect([bob.texts(), two.held.status.messages]).to.deep.equal([[], 1]);
    const { status, headers } = await domain.time.until(writer.message(BOB, "2"));
    expect([status, headers.get("Retry-After")]).to.deep.equal([480, "30"]);
    await domain.time.until(left);
    domain.network.links.heal(two.id, three.id);
    await domain.time.advance(60_000);
    expect(bob.texts()).to.deep.equal(["1"]);
  });
});
