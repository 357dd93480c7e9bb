import { expect } from "chai";
import { createRequest, createResponse } from "../../../node/sip/message/build.ts";
import { randomTag } from "../../../node/sip/message/tags.ts";
import { eventually } from "../../helpers/eventually.ts";
import { session } from "./calls.ts";
import type { SocketFlow } from "../../../node/sip/stack.ts";
import { Agent, SessionWorld } from "./session-world.ts";

describe("a client over UDP whose NAT gives it another port within a session", function () {
  this.timeout(90_000);
  let world: SessionWorld;
  let alice: Agent;
  const clients: Agent[] = [];

  before(async () => {
    world = await SessionWorld.of(2);
  });
  beforeEach(async () => {
    alice = await world.registered("alice", 1);
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) {
      await client.register(0);
      await client.stop();
    }
    await alice.register(0);
    await world.endAgents();
  });
  after(() => world.stop());

  /** A client at the first server, as that sees it: by a port of its own, and with the Contact that it has behind its NAT. */
  async function behindNat(user = "joe"): Promise<Agent> {
    const { port } = world.sides[0]!.stack.listening().find(({ transport }) => transport === "UDP")!;
    const client = new BehindNat(user, { transport: "UDP", address: "127.0.0.1", port });
    await client.start();
    clients.push(client);
    return client;
  }

  for (const calls of ["joe", "alice"] as const) {
    it(`is reached by that as soon as it has registered, when ${calls} has called`, async () => {
      const before = await behindNat();
      await before.register();
      const { callers, callees } = await (calls === "joe" ? session(before, alice) : session(alice, before));
      const alices = calls === "joe" ? callees : callers;
      before.stack.onRequest(() => {});
      const followed = world.counters(0).get("session.followed");
      const onItsWay = alices.send("INFO");
      await eventually(() => world.counters(0).get("session.followed") > followed, "the INFO");
      const now = await behindNat();
      expect((await now.register()).status).to.equal(200);
      expect((await onItsWay).status, "sent before").to.equal(200);
      expect((await alice.send(alices.request("INVITE"))).status).to.equal(200);
      alices.ack();
      await eventually(() => now.methods().includes("ACK"), "the ACK");
      expect((await alices.send("BYE")).status).to.equal(200);
      expect(now.methods()).to.deep.equal(["INFO", "INVITE", "ACK", "BYE"]);
    });
  }

  it("is reached by that after a restart of its server, too", async () => {
    const before = await behindNat();
    await before.register();
    const { callees: alices } = await session(before, alice);
    const now = await behindNat();
    await now.register();
    before.received.splice(0);
    await world.restart(0);
    expect((await alices.send("BYE")).status).to.equal(200);
    expect([before.methods(), now.methods()]).to.deep.equal([[], ["BYE"]]);
  });

  it("is reached where it has called from, if it has registered from elsewhere before", async () => {
    await (await behindNat()).register();
    const now = await behindNat();
    const { callees: alices } = await session(now, alice);
    expect((await alices.send("INFO")).status).to.equal(200);
    expect((await alices.send("BYE")).status).to.equal(200);
    expect(now.methods()).to.deep.equal(["INFO", "BYE"]);
  });

  it("is nobody else, who registers the same Contact", async () => {
    const joe = await behindNat();
    await joe.register();
    const { callees: alices } = await session(joe, alice);
    const barry = await behindNat("barry");
    expect((await barry.register()).status).to.equal(200);
    expect((await alices.send("BYE")).status).to.equal(200);
    expect([joe.methods(), barry.methods()]).to.deep.equal([["BYE"], []]);
  });

  for (const role of ["watcher", "device"] as const) {
    it(`is reached by that within a subscription that a device serves, as its ${role}`, async () => {
      const before = await behindNat();
      await before.register();
      const [watcher, device] = role === "watcher" ? [before, alice] : [alice, before];
      const tag = randomTag();
      const headers: [string, string][] = [["Expires", "600"]];
      device.onSubscribe(({ request, respond }) =>
        respond(
          createResponse(request, 200, { toTag: tag, headers: [["Contact", `<${device.contact}>`], ...headers] }),
        ),
      );
      const event: [string, string] = ["Event", "dialog"];
      const subscribe = watcher.outside("SUBSCRIBE", device.aor, [
        event,
        ["Contact", `<${watcher.contact}>`],
        ...headers,
      ]);
      const accepted = await watcher.send(subscribe);
      const [arrived] = device.received;
      const now = await behindNat();
      await now.register();
      if (role === "device") {
        const refresh = watcher.dialogOf(subscribe, accepted).request("SUBSCRIBE", { headers: [event] });
        expect((await watcher.send(refresh)).status).to.equal(200);
        expect(now.methods()).to.deep.equal(["SUBSCRIBE"]);
        return;
      }
      const routes = arrived!.request.headers.all("Record-Route").map((route): [string, string] => ["Route", route]);
      const notify = createRequest({
        ...{ method: "NOTIFY", uri: watcher.contact, from: `<${device.aor}>;tag=${tag}` },
        ...{ to: subscribe.headers.get("From")!, callId: subscribe.headers.get("Call-ID")!, cseq: 1 },
        headers: [...routes, event, ["Subscription-State", "active"], ["Contact", `<${device.contact}>`]],
      });
      expect((await device.send(notify)).status).to.equal(200);
      expect(now.methods()).to.deep.equal(["NOTIFY"]);
    });
  }
});

class BehindNat extends Agent {
  constructor(user: string, server: SocketFlow) {
    super(user, server);
    // Whoever it is that the request is for.
    this.onSubscribe(({ request, respond }) => respond(createResponse(request, 200)));
  }

  override get contact(): string {
    return "sip:device@192.168.1.5:5060";
  }
}
