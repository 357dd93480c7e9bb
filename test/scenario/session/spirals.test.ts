import { expect } from "chai";
import { forwardAll, sendOn } from "./forwarding.ts";
import type { Agent } from "./session-world.ts";
import { SessionWorld } from "./session-world.ts";

const aor = (user: string) => `sip:${user}@example.com`;

describe("a call that is forwarded from user to user (RFC 5393 §4.2)", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  const devices: Agent[] = [];

  before(async () => {
    world = await SessionWorld.of(2);
  });
  afterEach(async () => {
    for (const device of devices.splice(0)) await device.register(0);
    await world.endAgents();
  });
  after(() => world.stop());

  for (const [where, serverOf] of [
    ["the same server", () => 0],
    ["two servers, to and fro", (at: number) => (at + 1) % 2],
  ] as const) {
    it(`at ${where}, is no loop however often it passes them: it rings the last, and the session goes both ways`, async () => {
      const joe = await world.agent("joe", 0);
      const forwarding = ["ann", "ben", "cat", "dan", "eve"];
      const last = await registered("alice", serverOf(forwarding.length));
      for (const [at, user] of forwarding.entries())
        forwardAll(await registered(user, serverOf(at)), aor(forwarding[at + 1] ?? "alice"));
      const before = loops();
      const invite = joe.invitation(aor("ann"));
      const answer = await joe.call(invite);
      expect(answer.status).to.equal(200);
      const joes = joe.dialogOf(invite, answer);
      joes.ack();
      const alices = await last.confirmed();
      expect((await joes.send("INFO")).status).to.equal(200);
      expect((await alices.send("INFO")).status).to.equal(200);
      expect((await alices.send("BYE")).status).to.equal(200);
      expect(loops() - before).to.equal(0);
      expect(last.methods()).to.deep.equal(["INVITE", "ACK", "INFO"]);
    });
  }

  it("comes to the one who began it: that is a loop when it goes on from there as before, and is counted", async () => {
    const joe = await world.agent("joe", 0);
    const users = ["ann", "ben", "cat"];
    for (const [at, user] of users.entries())
      forwardAll(await registered(user, at % 2), aor(users[(at + 1) % users.length]!));
    const before = loops();
    expect((await joe.call(joe.invitation(aor("ann")))).status).to.equal(482);
    expect(loops() - before).to.equal(1);
    for (const device of devices) expect(device.received.length).to.be.within(1, 2);
  });

  it("to another address at each turn, ends with 483 when its hops are used up", async () => {
    const joe = await world.agent("joe", 0);
    const [ann, ben] = [await registered("ann", 0), await registered("ben", 1)];
    let turns = 0;
    const forwardTo = (agent: Agent, user: string) =>
      agent.onInvite(
        (incoming) => void sendOn(agent, incoming.request, `${aor(user)};turn=${++turns}`).then(incoming.respond),
      );
    forwardTo(ann, "ben");
    forwardTo(ben, "ann");
    expect((await joe.call(joe.invitation(aor("ann"), [["Max-Forwards", "21"]]))).status).to.equal(483);
    expect(turns, "one hop for each device, and one or two for the servers").to.be.within(6, 10);
  });

  it("to several devices that forward it, ends with 440 when its branches are used up", async () => {
    const joe = await world.agent("joe", 0);
    for (const [user, next] of [
      ["ann", "ben"],
      ["ben", "cat"],
    ] as const)
      for (let device = 0; device < 2; device++) forwardAll(await registered(user, 0), aor(next));
    expect((await joe.call(joe.invitation(aor("ann"), [["Max-Breadth", "3"]]))).status).to.equal(440);
  });

  const loops = () => [0, 1].reduce((sum, server) => sum + world.counters(server).get("federation.loops"), 0);

  async function registered(user: string, server: number): Promise<Agent> {
    const agent = await world.agent(user, server);
    devices.push(agent);
    expect((await agent.register()).status).to.equal(200);
    return agent;
  }
});
