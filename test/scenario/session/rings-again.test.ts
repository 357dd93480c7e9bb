import { expect } from "chai";
import { randomCallId, randomTag } from "../../../node/sip/message/tags.ts";
import { createRequest, createResponse } from "../../../node/sip/message/build.ts";
import type { TcpRelay } from "../../helpers/tcp-relay.ts";
import { startTcpRelay } from "../../helpers/tcp-relay.ts";
import { eventually } from "../../helpers/eventually.ts";
import { ringing } from "./calls.ts";
import type { Agent } from "./session-world.ts";
import { DOMAIN, SessionWorld, Unreachable } from "./session-world.ts";

describe("a call to a client whose connection breaks while it rings", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  let relay: TcpRelay;
  let joe: Agent;
  const alices: Agent[] = [];

  before(async () => {
    world = await SessionWorld.of(2);
  });
  beforeEach(async () => {
    relay = await startTcpRelay(world.sides[1]!.stack.listening().find(({ transport }) => transport === "TCP")!);
    joe = await world.agent("joe", 0);
  });
  afterEach(async () => {
    await world.endAgents();
    for (const alice of alices.splice(0)) await alice.stop();
    await relay.stop();
  });
  after(() => world.stop());

  async function client(): Promise<Agent> {
    const agent = new Unreachable("alice", { transport: "TCP", address: "127.0.0.1", port: relay.port });
    alices.push(agent);
    await agent.start();
    return agent;
  }

  async function alice(): Promise<Agent> {
    const agent = await client();
    agent.rings();
    await agent.register();
    return agent;
  }

  it("goes on when the client has registered again: it has not to ring anew, and its answer counts", async () => {
    const phone = await alice();
    const { invite, answer } = await ringing(joe, phone.aor);
    await relay.cut();
    await phone.register();
    phone.answer(phone.received[0]!);
    const response = await answer;
    expect(response.status).to.equal(200);
    joe.dialogOf(invite, response).ack();
    const session = await phone.confirmed();
    expect((await session.send("BYE")).status).to.equal(200);
    expect(phone.methods(), "the INVITE again was a retransmission").to.deep.equal(["INVITE", "ACK"]);
    await phone.register(0);
  });

  it("rings at the client that has registered by another connection, though nobody has said that the one of before is dead", async () => {
    const registration = { callId: randomCallId(), cseq: 0 };
    const registered = async (agent: Agent) => {
      registration.cseq += 1;
      const [uri, headers] = [`sip:${DOMAIN}`, [["Contact", `<${agent.contact}>`]] as [string, string][]];
      const fields = { method: "REGISTER", uri, from: `<${agent.aor}>;tag=r`, to: `<${agent.aor}>`, headers };
      expect((await agent.call(createRequest({ ...fields, ...registration }))).status).to.equal(200);
    };
    const before = await client();
    await registered(before);
    relay.forget();
    const branches = world.counters(1).get("session.branches");
    const answer = joe.stack.invite(joe.invitation(before.aor), joe.server);
    const told = joe.send(joe.outside("MESSAGE", before.aor));
    await eventually(() => world.counters(1).get("session.branches") > branches, "the INVITE on its way");
    const after = await client();
    await registered(after);
    expect((await answer).status).to.equal(200);
    expect((await told).status).to.equal(202);
    await eventually(() => after.methods().includes("MESSAGE"), "the MESSAGE that waited");
    await after.register(0);
  });

  it("rings at the client again where it has been started anew", async () => {
    const before = await alice();
    const { answer, rings } = await ringing(joe, before.aor);
    await before.stop();
    const after = await alice();
    await eventually(() => after.methods().includes("INVITE") && rings() > 1, "the INVITE again");
    after.answer(after.received[0]!);
    expect((await answer).status).to.equal(200);
    await after.register(0);
  });

  it("stops ringing at the client, when it is there again, where the caller has given up meanwhile", async () => {
    const phone = await alice();
    const hungUp = new AbortController();
    const { answer } = await ringing(joe, phone.aor, hungUp.signal);
    await relay.cut();
    hungUp.abort();
    await phone.register();
    await eventually(() => phone.cancelled.length === 1, "a CANCEL");
    expect((await answer).status).to.equal(487);
    await phone.register(0);
  });

  it("stops ringing where the client is now, though its server has not heard that the first connection is dead", async () => {
    const before = await alice();
    const hungUp = new AbortController();
    const { answer } = await ringing(joe, before.aor, hungUp.signal);
    const after = await alice();
    hungUp.abort();
    await eventually(() => after.methods().includes("CANCEL"), "a CANCEL");
    expect((await answer).status).to.equal(487);
    expect(before.cancelled).to.deep.equal([]);
    await after.register(0);
  });

  it("is with another device that answers while the client is away, which hears that when it is back", async () => {
    const phone = await alice();
    const desk = await world.registered("alice", 1);
    desk.onInvite((incoming) => incoming.respond(createResponse(incoming.request, 180, { toTag: randomTag() })));
    const { answer } = await ringing(joe, phone.aor);
    await eventually(() => [desk, phone].every((each) => each.methods().includes("INVITE")), "both to ring");
    await relay.cut();
    desk.answer(desk.received[0]!);
    expect((await answer).status).to.equal(200);
    await phone.register();
    await eventually(() => phone.cancelled.length === 1, "a CANCEL");
    expect(phone.reasons).to.deep.equal(['SIP;cause=200;text="Call completed elsewhere"']);
    await phone.register(0);
    await desk.register(0);
  });
});
