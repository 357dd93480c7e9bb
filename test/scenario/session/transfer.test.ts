import { expect } from "chai";
import { createRequest, createResponse } from "../../../node/sip/message/build.ts";
import type { SipRequest, SipResponse } from "../../../node/sip/message/message.ts";
import { eventually } from "../../helpers/eventually.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";
import { worldWithOther } from "../sidecar/other-server.ts";
import type { Agent } from "./session-world.ts";
import { DOMAIN, SessionWorld, Unreachable } from "./session-world.ts";

describe("an INVITE with Replaces to the Contact of a device", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  let joe: Agent;
  const there: Agent[] = [];

  before(async () => {
    world = await SessionWorld.of(3, [], [], "digest");
  });
  beforeEach(async () => {
    joe = await world.agent("joe", 0);
  });
  afterEach(async () => {
    for (const agent of there.splice(0)) await agent.register(0);
    await world.endAgents();
  });
  after(() => world.stop());

  /** An INVITE of joe's that is to take the place of a session of alice's. */
  function replacing(contact: string, callId = "session-two"): SipRequest {
    return joe.invitation(contact, [["Replaces", `${callId};to-tag=7743;from-tag=6472`]]);
  }

  async function registered(server: number, transport: "UDP" | "TCP" = "UDP"): Promise<Agent> {
    const alice = await world.agent("alice", server, transport);
    expect((await alice.register()).status).to.equal(200);
    there.push(alice);
    return alice;
  }

  /** Registered. */
  async function unreachable(user: string, server: number): Promise<Unreachable> {
    const { port } = world.sides[server]!.stack.listening().find(({ transport }) => transport === "TCP")!;
    const agent = new Unreachable(user, { transport: "TCP", address: "127.0.0.1", port });
    await agent.start();
    expect((await agent.register()).status).to.equal(200);
    return agent;
  }

  async function gone(...agents: Agent[]): Promise<void> {
    for (const agent of agents) {
      await agent.register(0);
      await agent.stop();
    }
  }

  function invites(agent: Agent): SipRequest[] {
    return agent.received.map(({ request }) => request).filter(({ method }) => method === "INVITE");
  }

  async function hangUp(invite: SipRequest, answer: SipResponse): Promise<void> {
    const dialog = joe.dialogOf(invite, answer);
    dialog.ack();
    expect((await dialog.send("BYE")).status).to.equal(200);
  }

  for (const server of [0, 2]) {
    it(`reaches that device alone, at ${server === 0 ? "this server" : "another server"}, and what follows goes there`, async () => {
      const [desk, mobile] = [await registered(server), await registered(server, "TCP")];
      for (const [called, other] of [
        [desk, mobile],
        [mobile, desk],
      ] as const) {
        const before = invites(other).length;
        const invite = replacing(called.contact);
        const answer = await joe.call(invite);
        expect(answer.status).to.equal(200);
        const [arrived] = invites(called).slice(-1);
        expect(arrived!.uri).to.equal(called.contact);
        expect(arrived!.headers.get("Replaces")).to.equal("session-two;to-tag=7743;from-tag=6472");
        expect(arrived!.headers.get("P-Asserted-Identity")).to.equal(`<${joe.aor}>`);
        expect(arrived!.headers.has("Proxy-Authorization")).to.equal(false);
        expect(arrived!.headers.has("Aorta-Contact")).to.equal(false);
        await hangUp(invite, answer);
        await eventually(() => called.methods().includes("BYE"), "the BYE");
        expect(invites(other)).to.have.length(before);
      }
    });

    it(`reaches a client that nobody can call, at ${server === 0 ? "this server" : "another server"}`, async () => {
      const alice = await unreachable("alice", server);
      try {
        const invite = replacing("sip:device@client.invalid;transport=tcp");
        const answer = await joe.call(invite);
        expect(answer.status).to.equal(200);
        await hangUp(invite, answer);
      } finally {
        await gone(alice);
      }
    });
  }

  it("is followed by what belongs to its session when the device has lost its connection and registered again", async () => {
    const alice = await unreachable("alice", 2);
    const invite = replacing(alice.contact);
    const answer = await joe.call(invite);
    const dialog = joe.dialogOf(invite, answer);
    dialog.ack();
    await alice.stop();
    const again = await unreachable("alice", 2);
    try {
      expect((await dialog.send("BYE")).status).to.equal(200);
      // The ACK comes before it, unless it had reached the device already.
      expect(again.methods().filter((method) => method !== "ACK")).to.deep.equal(["BYE"]);
    } finally {
      await gone(again);
    }
  });

  it("is not followed by anything to another user's device, who registers the same Contact meanwhile", async () => {
    const alice = await unreachable("alice", 2);
    const invite = replacing(alice.contact);
    const answer = await joe.call(invite);
    const dialog = joe.dialogOf(invite, answer);
    dialog.ack();
    await eventually(() => alice.methods().includes("ACK"), "the ACK");
    await alice.stop();
    const barry = await unreachable("barry", 2);
    const waiting = dialog.send("INFO");
    const again = await unreachable("alice", 2);
    try {
      expect((await waiting).status).to.equal(200);
      expect((await dialog.send("BYE")).status).to.equal(200);
      expect([again.methods(), barry.methods()]).to.deep.equal([["INFO", "BYE"], []]);
    } finally {
      await gone(again, barry);
    }
  });

  it("is cancelled like any other", async () => {
    const alice = await registered(2);
    alice.rings();
    const giveUp = new AbortController();
    const ended = await joe.call(replacing(alice.contact), {
      signal: giveUp.signal,
      onProvisional: ({ status }) => status === 180 && giveUp.abort(),
    });
    expect(ended.status).to.equal(487);
    await eventually(() => alice.cancelled.length === 1, "the CANCEL");
  });

  it("is answered as the device answers: it alone knows its sessions", async () => {
    const alice = await registered(2);
    for (const status of [481, 486, 603]) {
      alice.onInvite((incoming) => incoming.respond(createResponse(incoming.request, status)));
      expect((await joe.call(replacing(alice.contact))).status).to.equal(status);
    }
  });

  it("reaches who calls, where it is to pick up a call that rings elsewhere (RFC 3891 §7.2)", async () => {
    const alice = await registered(2);
    alice.rings();
    await joe.register();
    there.push(joe);
    const giveUp = new AbortController();
    joe.onInvite((incoming) => {
      giveUp.abort();
      joe.answer(incoming);
    });
    const call = joe.call(joe.invitation(alice.aor), { signal: giveUp.signal });
    await eventually(() => alice.methods().includes("INVITE"), "the call to ring");
    const barry = await world.agent("barry", 1);
    const [ringing] = invites(alice);
    const callId = ringing!.headers.get("Call-ID")!;
    const pickUp = barry.invitation(joe.contact, [["Replaces", `${callId};to-tag=1;from-tag=2;early-only`]]);
    const answer = await barry.call(pickUp);
    expect(answer.status).to.equal(200);
    expect((await call).status).to.equal(487);
    await eventually(() => alice.cancelled.includes(callId), "the other device to stop ringing");
    const dialog = barry.dialogOf(pickUp, answer);
    dialog.ack();
    expect((await dialog.send("BYE")).status).to.equal(200);
  });

  it("goes on to the next device with the same Contact, of another user or at another server, where one knows nothing of the session", async () => {
    const twins = [await unreachable("sipp", 0), await unreachable("barry", 2)];
    try {
      for (const knows of twins) {
        for (const twin of twins)
          twin.onInvite((incoming) =>
            twin === knows ? twin.answer(incoming) : incoming.respond(createResponse(incoming.request, 481)),
          );
        const invite = replacing(knows.contact);
        const answer = await joe.call(invite);
        expect(answer.status).to.equal(200);
        await hangUp(invite, answer);
        expect(knows.methods()).to.include("BYE");
      }
    } finally {
      await gone(...twins);
    }
  });

  it("takes the path that the device registered by (RFC 3327)", async () => {
    const proxy = await world.agent("alice", 2);
    const [path, contact] = [proxy.contact.replace("device@", "edge@"), "sip:inside@10.1.2.3:5060"];
    const address = `<${proxy.aor}>`;
    const register = (expires: string) =>
      proxy.call(
        createRequest({
          ...{ method: "REGISTER", uri: `sip:${DOMAIN}`, from: `${address};tag=r`, to: address },
          headers: [
            ["Contact", `<${contact}>`],
            ["Path", `<${path};lr>`],
            ["Supported", "path"],
            ["Expires", expires],
          ],
        }),
      );
    expect((await register("600")).status).to.equal(200);
    expect((await joe.call(replacing(contact))).status).to.equal(200);
    const [arrived] = invites(proxy);
    expect([arrived!.uri, arrived!.headers.get("Route")]).to.deep.equal([contact, `<${path};lr>`]);
    await register("0");
  });

  describe("is refused, and nothing is sent anywhere,", () => {
    let bystander: Agent;

    beforeEach(async () => {
      bystander = await world.agent("barry", 0);
    });
    afterEach(() => {
      expect(bystander.methods()).to.deep.equal([]);
    });

    it("where nobody has registered that Contact", async () => {
      const refusal = await joe.call(replacing(bystander.contact));
      expect([refusal.status, refusal.reason]).to.deep.equal([404, "No Device At That Contact"]);
    });

    it("where the device has gone meanwhile", async () => {
      await bystander.register();
      await bystander.register(0);
      expect((await joe.call(replacing(bystander.contact))).status).to.equal(404);
    });

    it("without credentials, and in the name of another", async () => {
      await bystander.register();
      const invite = replacing(bystander.contact);
      expect((await joe.send(invite)).status).to.equal(407);
      const alice = await world.agent("alice", 0);
      expect((await alice.call(replacing(bystander.contact))).status).to.equal(403);
      await bystander.register(0);
    });

    it("without Replaces, as is every other method", async () => {
      await bystander.register();
      expect((await joe.call(joe.invitation(bystander.contact))).status).to.equal(403);
      for (const method of ["MESSAGE", "REFER", "OPTIONS", "SUBSCRIBE", "PUBLISH", "INFO", "LATEST-NEWS"]) {
        const headers: [string, string][] = [
          ["Replaces", "a;to-tag=b;from-tag=c"],
          ["Event", "dialog"],
        ];
        const { status } = await joe.call(joe.outside(method, bystander.contact, headers));
        expect(status, method).to.be.oneOf([403, 405]);
      }
      await bystander.register(0);
    });

    it("out of hops, or with a Route to elsewhere", async () => {
      await bystander.register();
      const last = replacing(bystander.contact);
      last.headers.set("Max-Forwards", "0");
      expect((await joe.call(last)).status).to.equal(483);
      const away = replacing(bystander.contact);
      away.headers.append("Route", `<${bystander.contact};lr>`);
      expect((await joe.call(away)).status).to.equal(403);
      await bystander.register(0);
    });

    it("over SIPS, where the device is not registered with that", async () => {
      await bystander.register();
      const refusal = await joe.call(replacing(bystander.contact.replace("sip:", "sips:")));
      expect(refusal.status).to.equal(403);
      await bystander.register(0);
    });
  });

  it("is for one device by the word of servers alone: what a client says of that is removed", async () => {
    const [desk, mobile] = [await registered(2), await registered(2, "TCP")];
    for (const device of [desk, mobile]) device.rings();
    const giveUp = new AbortController();
    const ended = joe.call(joe.invitation(desk.aor, [["Aorta-Contact", desk.contact]]), { signal: giveUp.signal });
    await eventually(() => invites(desk).length === 1 && invites(mobile).length === 1, "both devices to ring");
    giveUp.abort();
    expect((await ended).status).to.equal(487);
  });
});

describe("an INVITE with Replaces to a Contact, where servers are cut off", function () {
  this.timeout(60_000);

  it("is answered 480: who could not be asked may know", async () => {
    const world = await SessionWorld.of(2, [], [], "digest");
    try {
      const [joe, alice] = [await world.agent("joe", 0), await world.agent("alice", 1)];
      await alice.register();
      await world.cutOff(1);
      const invite = joe.invitation(alice.contact, [["Replaces", "a;to-tag=b;from-tag=c"]]);
      const refusal = await joe.call(invite);
      expect([refusal.status, refusal.headers.get("Retry-After")]).to.deep.equal([480, "10"]);
    } finally {
      await world.stop();
    }
  });
});

describe("an INVITE with Replaces to a Contact, of another server", () => {
  it("is refused: that server has found out whose device it is, and sends to that user", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const invite = createRequest({
      ...{
        method: "INVITE",
        uri: "sip:device@client.invalid",
        from: "<sip:joe@example.com>;tag=1",
        to: "<sip:device@client.invalid>",
      },
      headers: [
        ["Replaces", "a;to-tag=b;from-tag=c"],
        ["P-Asserted-Identity", "<sip:joe@example.com>"],
      ],
    });
    const answer = await domain.time.until(one.stack.send(invite, { transport: "MESH", server: two.id }));
    expect(answer.status).to.equal(403);
  });
});

describe("an INVITE with Replaces to a Contact, of a server without a node", function () {
  this.timeout(60_000);

  it("is brought there for the user whom that server names, and for nobody", async () => {
    const { world, other } = await worldWithOther(2);
    try {
      const alice = await world.agent("alice", 1);
      await alice.register();
      const invite = (headers: [string, string][], from: string) => {
        const request = other.agent.invitation(alice.contact, [["Replaces", "a;to-tag=b;from-tag=c"], ...headers]);
        request.headers.set("From", `<${from}>;tag=1`);
        return other.agent.send(request);
      };
      const kate = `sip:kate@${DOMAIN}`;
      expect((await invite([["P-Asserted-Identity", `<${kate}>`]], kate)).status).to.equal(200);
      expect(alice.received[0]!.request.headers.get("P-Asserted-Identity")).to.equal(`<${kate}>`);
      expect((await invite([], "sip:somebody@elsewhere.example")).status).to.equal(403);
      await alice.register(0);
    } finally {
      await world.stop();
    }
  });
});
