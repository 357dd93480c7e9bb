import { expect } from "chai";
import { createResponse } from "../../../node/sip/message/build.ts";
import { eventually } from "../../helpers/eventually.ts";
import { startTcpRelay } from "../../helpers/tcp-relay.ts";
import type { ListenAddress } from "../../../node/sip/stack.ts";
import { session } from "./calls.ts";
import type { Agent } from "./session-world.ts";
import { SessionWorld, Unreachable } from "./session-world.ts";

describe("a client that comes to another server within a session", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  let joe: Agent;
  let alice: Agent;
  const clients: Agent[] = [];

  before(async () => {
    world = await SessionWorld.of(3, [], [], "digest");
  });
  beforeEach(async () => {
    joe = await world.registered("joe", 0);
    alice = await at(1);
  });
  afterEach(async () => {
    for (const client of [...clients.splice(0), joe]) {
      await client.register(0);
      await client.stop();
    }
    await world.endAgents();
  });
  after(() => world.stop());

  /** Alice's client, connected to a server and registered there. */
  function at(server: number, user = "alice", fields: readonly [string, string][] = []): Promise<Agent> {
    return atPort(portOf(server).port, user, fields);
  }

  function portOf(server: number): ListenAddress {
    return world.sides[server]!.stack.listening().find(({ transport }) => transport === "TCP")!;
  }

  async function atPort(port: number, user = "alice", fields: readonly [string, string][] = []): Promise<Agent> {
    const client = new Unreachable(user, { transport: "TCP", address: "127.0.0.1", port });
    await client.start();
    expect((await client.register(600, fields)).status).to.equal(200);
    clients.push(client);
    return client;
  }

  async function gone(client: Agent): Promise<void> {
    clients.splice(clients.indexOf(client), 1);
    await client.stop();
  }

  for (const calls of ["joe", "alice"] as const) {
    const talk = () => (calls === "joe" ? session(joe, alice) : session(alice, joe));

    it(`is reached there by what belongs to the session, when ${calls} has called`, async () => {
      const { callers, callees } = await talk();
      const joes = calls === "joe" ? callers : callees;
      await gone(alice);
      const there = await at(2);
      expect((await joes.send("INFO")).status).to.equal(200);
      expect((await joe.send(joes.request("INVITE"))).status).to.equal(200);
      joes.ack();
      await eventually(() => there.methods().includes("ACK"), "the ACK");
      const whatBecameOfRefer = joes.request("NOTIFY", { headers: [["Event", "refer"]] });
      expect((await joe.send(whatBecameOfRefer)).status).to.equal(200);
      expect((await joes.send("BYE")).status).to.equal(200);
      expect(there.methods()).to.deep.equal(["INFO", "INVITE", "ACK", "NOTIFY", "BYE"]);
    });

    it(`reaches the other end from there, when ${calls} has called`, async () => {
      const { callers, callees } = await talk();
      const alices = calls === "joe" ? callees : callers;
      await gone(alice);
      const there = await at(2);
      joe.received.splice(0);
      expect((await there.call(alices.request("INFO"))).status).to.equal(200);
      expect((await there.call(alices.request("INVITE"))).status).to.equal(200);
      there.stack.acknowledge(alices.request("ACK"), there.server);
      await eventually(() => joe.methods().includes("ACK"), "the ACK");
      expect((await there.call(alices.request("BYE"))).status).to.equal(200);
      expect(joe.methods()).to.deep.equal(["INFO", "INVITE", "ACK", "BYE"]);
      const { headers } = joe.received[0]!.request;
      for (const field of ["Aorta-Contact", "P-Asserted-Identity", "Route", "Proxy-Authorization"])
        expect(headers.has(field), field).to.equal(false);
    });
  }

  for (const calls of ["joe", "alice"] as const) {
    it(`is reached there though nobody knows that the connection it has left is dead, when ${calls} has called`, async () => {
      const relay = await startTcpRelay(portOf(1));
      const before = await atPort(relay.port);
      const { callers, callees } = await (calls === "joe" ? session(joe, before) : session(before, joe));
      const joes = calls === "joe" ? callers : callees;
      relay.forget();
      const followed = world.counters(1).get("session.followed");
      const onItsWay = joes.send("INFO");
      await eventually(() => world.counters(1).get("session.followed") > followed, "the INFO");
      const there = await at(2);
      expect((await onItsWay).status, "sent before").to.equal(200);
      expect((await joe.send(joes.request("INVITE"))).status).to.equal(200);
      joes.ack();
      await eventually(() => there.methods().includes("ACK"), "the ACK");
      expect((await joes.send("BYE")).status).to.equal(200);
      expect(there.methods()).to.deep.equal(["INFO", "INVITE", "ACK", "BYE"]);
      await gone(before);
      await relay.stop();
    });
  }

  it("is reached within the hops that a request may take, each server of the way being one (RFC 3261 §16.6 step 3)", async () => {
    const { callers: joes } = await session(joe, alice);
    await gone(alice);
    const there = await at(2);
    const within = async (hops: number) =>
      (await joe.send(joes.request("INFO", { headers: [["Max-Forwards", String(hops)]] }))).status;
    expect([await within(2), await within(3)]).to.deep.equal([483, 200]);
    expect(there.received.map(({ request }) => request.headers.get("Max-Forwards"))).to.deep.equal(["0"]);
  });

  it("is another than one that goes on where it is while its user comes to another server", async () => {
    const { callers: joes } = await session(joe, alice);
    const mobile = await world.agent("alice", 2);
    expect((await mobile.register()).status).to.equal(200);
    alice.received.splice(0);
    expect((await joes.send("INFO")).status).to.equal(200);
    expect((await joes.send("BYE")).status).to.equal(200);
    expect([alice.methods(), mobile.methods()]).to.deep.equal([["INFO", "BYE"], []]);
    await mobile.register(0);
  });

  it("is reached there by the path that it has registered by, when proxies are in between (RFC 3327)", async () => {
    const { callers: joes } = await session(joe, alice);
    await gone(alice);
    const path = "<sip:flow@edge.invalid;transport=tcp;lr>";
    const edge = await at(2, "alice", [
      ["Path", path],
      ["Supported", "path"],
    ]);
    expect((await joes.send("INFO")).status).to.equal(200);
    expect((await joes.send("BYE")).status).to.equal(200);
    expect(
      edge.received.map(({ request: { method, uri, headers } }) => [method, uri, headers.all("Route")]),
    ).to.deep.equal(["INFO", "BYE"].map((method) => [method, edge.contact, [path]]));
  });

  it("is reached at its own, too, by the path that it registers by, when proxies have lost the flow of before (RFC 5626)", async () => {
    const by = (flow: string): [string, string][] => [
      ["Path", `<sip:${flow}@edge.invalid;transport=tcp;lr>`],
      ["Supported", "path"],
    ];
    const edge = await at(1, "alice", by("one"));
    const { callers: joes } = await session(joe, edge);
    const tried: string[] = [];
    edge.stack.onRequest(({ request, respond }) => {
      const route = request.headers.get("Route");
      tried.push(`${request.method} ${route}`);
      respond(createResponse(request, route?.includes("two") === true ? 200 : 430));
    });
    const info = joes.send("INFO");
    await eventually(() => tried.length === 2, "the INFO by the first flow");
    await edge.register(600, by("two"));
    expect((await info).status).to.equal(200);
    expect((await joes.send("BYE")).status).to.equal(200);
    const [one, two] = ["one", "two"].map((flow) => by(flow)[0]![1]);
    const ways = ["INFO undefined", `INFO ${one}`, `INFO ${two}`, "BYE undefined", `BYE ${two}`];
    expect(tried).to.deep.equal(ways);
    tried.splice(0);
    edge.stack.onRequest(({ request, respond }) => {
      tried.push(request.method);
      respond(createResponse(request, 430));
      if (tried.length > 1) void edge.register(600, by(`${tried.length}`));
    });
    expect((await joes.send("BYE")).status, "no more than the next").to.equal(430);
    expect(tried).to.deep.equal(["BYE", "BYE", "BYE"]);
  });

  it("is waited for while it is on its way", async () => {
    const { callers: joes } = await session(joe, alice);
    await gone(alice);
    const info = joes.send("INFO");
    const there = await at(2);
    expect((await info).status).to.equal(200);
    expect(there.methods()).to.deep.equal(["INFO"]);
  });

  it("may come to the server of the other end, which may go to another one", async () => {
    const { callers: joes, callees: alices } = await session(joe, alice);
    await gone(alice);
    const there = await at(0);
    expect((await joes.send("INFO")).status).to.equal(200);
    const elsewhere = await world.agent("joe", 1);
    expect((await elsewhere.register()).status).to.equal(200);
    expect((await there.call(alices.request("BYE"))).status, "of a device that is not there").to.equal(480);
    expect((await joe.register()).status).to.equal(200);
    expect((await there.call(alices.request("BYE"))).status).to.equal(200);
    expect(joe.methods()).to.deep.equal(["BYE"]);
  });

  it("has to show who it is, and reaches nobody but a device of the user in To, by its Contact", async () => {
    const { callees: alices } = await session(joe, alice);
    await gone(alice);
    const there = await at(2);
    joe.received.splice(0);
    expect((await there.send(alices.request("BYE"))).status, "without a password").to.equal(407);
    const barry = await at(2, "barry");
    expect((await barry.call(alices.request("BYE"))).status, "as somebody else").to.equal(403);
    const status = async (method: string, changes: Parameters<typeof alices.request>[1]) =>
      (await there.call(alices.request(method, changes))).status;
    expect(await status("BYE", { routes: [] }), "no way at all").to.equal(481);
    expect(await status("BYE", { target: "sip:joe@192.0.2.7" }), "a Contact of nobody").to.equal(480);
    const toOthers = alices.request("BYE");
    toOthers.headers.set("To", "<sip:joe@example.org>;tag=joes");
    expect((await there.call(toOthers)).status, "of another domain, of whose users nothing is heard").to.equal(481);
    for (const method of ["SUBSCRIBE", "NOTIFY", "UNHEARD-OF"])
      expect(await status(method, { headers: [["Event", "check-sync"]] }), method).to.be.oneOf([403, 481, 489]);
    expect(joe.methods()).to.deep.equal([]);
    const ack = alices.request("ACK");
    barry.stack.acknowledge(ack, barry.server);
    expect(await status("INFO", {})).to.equal(200);
    expect(joe.methods()).to.deep.equal(["INFO"]);
  });
});

describe("a session of clients whose server is gone", function () {
  this.timeout(90_000);
  let world: SessionWorld;

  beforeEach(async () => {
    world = await SessionWorld.of(3);
  });
  afterEach(() => world.stop());

  async function at(user: string, server: number): Promise<Agent> {
    const { port } = world.sides[server]!.stack.listening().find(({ transport }) => transport === "TCP")!;
    const client = new Unreachable(user, { transport: "TCP", address: "127.0.0.1", port });
    await client.start();
    let status = 0;
    // Until the leases of a server that is gone are over.
    for (let tries = 0; status !== 200 && tries < 20; tries++) ({ status } = await client.register());
    expect(status).to.equal(200);
    return client;
  }

  it("goes on, and ends at both ends, when they have come to others", async () => {
    const joe = await at("joe", 0);
    const [alice, barry] = [await at("alice", 1), await at("barry", 1)];
    const one = await session(joe, alice);
    alice.received.splice(0);
    const other = await session(barry, alice);
    await world.cutOff(1);
    for (const client of [alice, barry]) await client.stop();
    const [aliceThere, barryThere] = [await at("alice", 2), await at("barry", 0)];
    expect((await one.callers.send("INFO")).status, "over a way that leads by the server").to.equal(200);
    expect((await aliceThere.send(one.callees.request("BYE"))).status).to.equal(200);
    expect((await barryThere.send(other.callers.request("INFO"))).status, "where it was the only one").to.equal(200);
    expect((await aliceThere.send(other.callees.request("BYE"))).status).to.equal(200);
    expect(aliceThere.methods()).to.deep.equal(["INFO", "INFO"]);
    expect([joe.methods(), barryThere.methods()]).to.deep.equal([["BYE"], ["BYE"]]);
    for (const client of [joe, aliceThere, barryThere]) await client.stop();
  });

  it("is ended by who was called, too", async () => {
    const [joe, alice] = [await at("joe", 0), await at("alice", 1)];
    const { callees: joes } = await session(alice, joe);
    await world.cutOff(1);
    await alice.stop();
    const there = await at("alice", 2);
    expect((await joes.send("BYE")).status).to.equal(200);
    expect(there.methods()).to.deep.equal(["BYE"]);
    for (const client of [joe, there]) await client.stop();
  });
});
