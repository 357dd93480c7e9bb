import { expect } from "chai";
import { parseAor } from "../../../dht-schema/aor.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";
import type { ClientOptions, SipClient } from "../../helpers/sip-network.ts";
import type { TestServer } from "./presence-world.ts";
import { PresenceWorld, RegisteringPhone } from "./presence-world.ts";

const ALICE = parseAor("sip:alice@example.com");
const JOE = parseAor("sip:joe@example.com");

/** Joe, who watches Alice by a client of that kind, both on one server. */
async function watching(options: ClientOptions) {
  const world = new PresenceWorld();
  const one = world.server("one");
  const alice = world.phone("alice", one);
  const joe = new RegisteringPhone(JOE, one, world.network.client(one.locator.self, options));
  for (const phone of [alice, joe]) await world.time.until(phone.register());
  await world.time.until(alice.publish("at work"));
  const { dialog } = await world.time.until(joe.subscribe(ALICE));
  await world.time.advance(100);
  expect(joe.news().at(-1)).to.include({ state: "active", note: "at work" });
  const publish = async (note: string) => {
    await world.time.until(alice.publish(note));
    await world.time.advance(100);
  };
  return { world, one, joe, dialog, publish };
}

/** Joe's client is at another address, or has another connection, and registers the Contact that it has had all along. */
function registersAgain(world: PresenceWorld, server: TestServer, joe: RegisteringPhone, options: ClientOptions) {
  const now = world.network.client(server.locator.self, options);
  server.contacts.set(JOE, [{ uri: joe.client.contact, flow: now.flow }]);
  return now;
}

const toldBy = ({ received }: SipClient) =>
  received.map(({ method, headers, body }) => ({
    method,
    callId: headers.get("Call-ID"),
    note: /<note[^>]*>([^<]*)/.exec(Buffer.from(body).toString())?.[1],
  }));

for (const transport of ["WS", "TCP"] as const)
  describe(`a watcher whose connection (${transport}) is gone`, () => {
    const options = { transport };

    it("hears the newest state within the same dialog, when it has registered over another", async () => {
      const { world, one, joe, dialog, publish } = await watching(options);
      joe.client.close();
      for (const note of ["at lunch", "at work again"]) await publish(note);
      const now = registersAgain(world, one, joe, options);
      await world.time.advance(100);
      const { callId } = dialog;
      expect(toldBy(now)).to.deep.equal([{ method: "NOTIFY", callId, note: "at work again" }]);
      await publish("gone home");
      expect(toldBy(now).at(-1)).to.deep.equal({ method: "NOTIFY", callId, note: "gone home" });
    });

    it("hears nothing that it knows, where nothing has changed meanwhile", async () => {
      const { world, one, joe } = await watching(options);
      joe.client.close();
      const now = registersAgain(world, one, joe, options);
      await world.time.advance(100);
      expect(toldBy(now)).to.deep.equal([]);
    });

    it("is waited for as long as phones sleep, and no longer", async () => {
      const { world, one, joe, publish } = await watching(options);
      joe.client.close();
      await publish("at lunch");
      await world.time.advance(limits.presence.awayMs - 1_000);
      expect(one.presence.status().watchers).to.equal(1);
      await world.time.advance(2_000);
      expect(one.presence.status().watchers).to.equal(0);
    });

    it("hears the newest state when it subscribes again over another, though what was on its way over the one before is not given up yet", async () => {
      const { world, one, joe, dialog, publish } = await watching(options);
      joe.client.state = "frozen";
      await publish("at lunch");
      const now = new RegisteringPhone(JOE, one, world.network.client(one.locator.self, options));
      expect((await world.time.until(now.resubscribe(dialog))).status).to.equal(200);
      await world.time.advance(100);
      expect(now.news().map(({ note }) => note)).to.deep.equal(["at lunch"]);
      joe.client.close();
      await world.time.advance(40_000);
      await publish("at work again");
      expect(now.news().map(({ note }) => note)).to.deep.equal(["at work again"]);
    });

    it("hears of the end that it asks for over another", async () => {
      const { world, one, joe, dialog, publish } = await watching(options);
      joe.client.state = "frozen";
      await publish("at lunch");
      const now = new RegisteringPhone(JOE, one, world.network.client(one.locator.self, options));
      await world.time.until(now.resubscribe(dialog, 0));
      await world.time.advance(100);
      expect(now.news().map(({ state }) => state)).to.deep.equal(["terminated"]);
    });

    it("is not taken for another user who registers the same Contact", async () => {
      const { world, one, joe, publish } = await watching(options);
      joe.client.close();
      await publish("at lunch");
      const other = world.network.client(one.locator.self, options);
      one.contacts.set(parseAor("sip:eve@example.com"), [{ uri: joe.client.contact, flow: other.flow }]);
      await world.time.advance(1_000);
      expect(toldBy(other)).to.deep.equal([]);
    });

    it("is found again by the next run of its server", async () => {
      const domain = new SimulatedDomain();
      const [one, two] = [domain.server("one"), domain.server("two")];
      const [joe, alice] = [domain.phone("joe", one, options), domain.phone("alice", two)];
      await domain.time.until(alice.publish("before"));
      const { dialog } = await domain.time.until(joe.subscribe(ALICE));
      await domain.time.advance(100);
      domain.kill(one);
      joe.client.close();
      await domain.time.advance(1_000);
      const again = domain.restart(one);
      await domain.time.until(alice.publish("after"));
      await domain.time.advance(1_000);
      const now = domain.device("joe", again, options);
      expect((await now.sendRegister([["Contact", `<${joe.client.contact}>`]])).status).to.equal(200);
      await domain.time.advance(1_000);
      expect(toldBy(now.client)).to.deep.equal([{ method: "NOTIFY", callId: dialog.callId, note: "after" }]);
    });
  });

describe("a watcher whose connection is gone, and who can be called", () => {
  it("is not taken for away where this server has too much to do itself", async () => {
    const { one, joe, publish } = await watching({ transport: "TCP" });
    joe.client.close();
    let asked = 0;
    one.stack.send = (request) => {
      asked++;
      const headers: [string, string][] = [
        ["Aorta-Local", "1"],
        ["Retry-After", "5"],
      ];
      return Promise.resolve(createResponse(request, 503, { headers }));
    };
    await publish("at lunch");
    expect([asked, one.counters.get("presence.watchers_away")]).to.deep.equal([1, 0]);
  });
});

describe("a watcher behind a proxy that does not reach it by the flow of before (RFC 5626)", () => {
  const pathOf = (flow: string) => `<sip:${flow}@edge.example.com;lr>`;

  /** Joe behind the proxy, which says 430 to what is for a flow that is gone. */
  async function behindProxy() {
    const world = new PresenceWorld();
    const one = world.server("one");
    const alice = world.phone("alice", one);
    const joe = world.phone("joe", one);
    const told: (string | undefined)[] = [];
    let isGone = (_route: string) => false;
    let refusal: readonly [string, string][] = [];
    let isSwallowed = false;
    joe.client.onRequest(({ request, respond }) => {
      const route = request.headers.get("Route") ?? "";
      if (isGone(route) && isSwallowed) return;
      if (isGone(route)) return respond(createResponse(request, refusal.length > 0 ? 503 : 430, { headers: refusal }));
      told.push(`${route} ${/<note[^>]*>([^<]*)/.exec(Buffer.from(request.body).toString())?.[1]}`);
      respond(createResponse(request, 200));
    });
    const registers = (flow: string) =>
      one.contacts.set(JOE, [{ uri: joe.client.contact, flow: joe.client.flow, path: [pathOf(flow)] }]);
    await world.time.until(alice.register());
    await world.time.until(one.locator.claim(JOE, { mode: "take-over" }));
    registers("one");
    const publish = async (note: string) => {
      await world.time.until(alice.publish(note));
      await world.time.advance(100);
    };
    await publish("at work");
    await world.time.until(joe.subscribe(ALICE, { headers: [["Record-Route", pathOf("one")]] }));
    await world.time.advance(100);
    expect(told.splice(0)).to.deep.equal([`${pathOf("one")} at work`]);
    const lose = (...flows: string[]) => (isGone = (route) => flows.some((flow) => route === pathOf(flow)));
    const retryAfter = (seconds: string) => (refusal = [["Retry-After", seconds]]);
    const swallow = () => (isSwallowed = true);
    return { world, one, told, registers, publish, lose, retryAfter, swallow };
  }

  it("is told by the path that it has registered by since", async () => {
    const { told, registers, publish, lose } = await behindProxy();
    lose("one");
    registers("two");
    await publish("at lunch");
    expect(told).to.deep.equal([`${pathOf("two")} at lunch`]);
  });

  it("is waited for, and told by the path that it registers by next, again and again", async () => {
    const { world, told, registers, publish, lose } = await behindProxy();
    lose("one", "two");
    registers("two");
    await publish("at lunch");
    await world.time.advance(60_000);
    expect(told).to.deep.equal([]);
    registers("three");
    await world.time.advance(100);
    expect(told.splice(0)).to.deep.equal([`${pathOf("three")} at lunch`]);
    lose("one", "two", "three");
    await publish("at work again");
    registers("four");
    await world.time.advance(100);
    expect(told).to.deep.equal([`${pathOf("four")} at work again`]);
  });

  it("is told by the path that it registers by next, though the proxy does not know yet that the connection of before is gone", async () => {
    const { world, told, registers, publish, lose, swallow } = await behindProxy();
    swallow();
    lose("one");
    await publish("at lunch");
    await world.time.advance(1_000);
    expect(told).to.deep.equal([]);
    registers("two");
    await world.time.advance(100);
    expect(told.splice(0)).to.deep.equal([`${pathOf("two")} at lunch`]);
    await world.time.advance(40_000);
    await publish("at work again");
    expect(told).to.deep.equal([`${pathOf("two")} at work again`]);
  });

  it("is asked again when the proxy says, and not waited for", async () => {
    const { world, told, publish, lose, retryAfter } = await behindProxy();
    retryAfter("5");
    lose("one");
    await publish("at lunch");
    lose();
    await world.time.advance(5_000);
    expect(told).to.deep.equal([`${pathOf("one")} at lunch`]);
  });

  it("keeps the way that was recorded as long as it leads there", async () => {
    const { told, registers, publish } = await behindProxy();
    registers("two");
    await publish("at lunch");
    expect(told).to.deep.equal([`${pathOf("one")} at lunch`]);
  });

  it("is waited for as long as phones sleep, and no longer", async () => {
    const { world, one, publish, lose } = await behindProxy();
    lose("one");
    await publish("at lunch");
    await world.time.advance(limits.presence.awayMs - 1_000);
    expect(one.presence.status().watchers).to.equal(1);
    await world.time.advance(2_000);
    expect(one.presence.status().watchers).to.equal(0);
  });
});

describe("a watcher over UDP whose NAT has given it another port", () => {
  it("is told at the new one when it has registered from there", async () => {
    const { world, one, joe, publish } = await watching({});
    const now = registersAgain(world, one, joe, {});
    await publish("at lunch");
    expect(toldBy(now).map(({ note }) => note)).to.deep.equal(["at lunch"]);
    expect(joe.news()).to.deep.equal([]);
  });

  it("is told at the new one what was on its way to the one of before, and what comes of that does not count", async () => {
    const { world, one, joe, publish } = await watching({});
    joe.client.state = "frozen";
    await publish("at lunch");
    const now = registersAgain(world, one, joe, {});
    await world.time.advance(100);
    expect(toldBy(now).map(({ note }) => note)).to.deep.equal(["at lunch"]);
    await world.time.advance(40_000);
    await publish("at work again");
    expect(toldBy(now).map(({ note }) => note)).to.deep.equal(["at lunch", "at work again"]);
  });
});
