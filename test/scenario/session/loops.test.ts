import { expect } from "chai";
import { createRequest } from "../../../node/sip/message/build.ts";
import { eventually } from "../../helpers/eventually.ts";
import { forwardAll, sendOn } from "./forwarding.ts";
import type { Agent } from "./session-world.ts";
import { SessionWorld } from "./session-world.ts";

const ALICE = "sip:alice@example.com";
const BOB = "sip:bob@example.com";

describe("an INVITE that goes in circles", function () {
  this.timeout(60_000);
  let world: SessionWorld;

  before(async () => {
    world = await SessionWorld.of(2);
  });
  afterEach(() => world.endAgents());
  after(() => world.stop());

  const loops = () => [0, 1].reduce((sum, server) => sum + world.counters(server).get("federation.loops"), 0);

  it("between two users who forward to each other, on two servers, ends with 482 after a few hops, and is counted", async () => {
    const { joe, alice, bob } = await agents();
    const before = loops();
    forwardAll(alice, BOB);
    forwardAll(bob, ALICE);
    expect((await joe.call(joe.invitation(BOB))).status).to.equal(482);
    expect(loops() - before).to.equal(1);
    expect(alice.received.length + bob.received.length).to.be.within(1, 6);
  });

  it("is found by its Via, even where the devices on the way count no hops", async () => {
    const { joe, alice, bob } = await agents();
    forwardAll(alice, BOB, () => 70);
    forwardAll(bob, ALICE, () => 70);
    expect((await joe.call(joe.invitation(BOB))).status).to.equal(482);
    expect(alice.received.length + bob.received.length).to.be.at.most(6);
  });

  it("at one user who forwards to their own address ends with 482", async () => {
    const { joe, bob } = await agents();
    forwardAll(bob, BOB);
    expect((await joe.call(joe.invitation(BOB))).status).to.equal(482);
    expect(bob.received.length).to.be.at.most(2);
  });

  it("ends with 483 where its hops end first", async () => {
    const { joe, alice, bob } = await agents();
    forwardAll(bob, ALICE);
    expect((await joe.call(joe.invitation(BOB, [["Max-Forwards", "3"]]))).status).to.equal(483);
    expect(alice.received).to.deep.equal([]);
  });

  it("by a device that is itself a proxy, and whose Contact is the user's own address, ends with 482", async () => {
    const { joe, bob } = await agents();
    await bind(bob, "*", 0);
    expect((await bind(bob, `<${BOB}>`)).status).to.equal(200);
    // It follows the Request-URI, as a proxy does.
    bob.onInvite((incoming) => void sendOn(bob, incoming.request, incoming.request.uri).then(incoming.respond));
    expect((await joe.call(joe.invitation(BOB))).status).to.equal(482);
    expect(bob.received.length).to.be.at.most(4);
  });

  it("by a Contact that is the server itself does not come about: it is not bound, which is counted", async () => {
    const { joe, alice } = await agents();
    const { address, port } = alice.server;
    const before = world.counters(0).get("federation.own_contacts");
    for (const own of [`<sip:alice@${address}:${port}>`, `sip:${address}:${port}`, `<sip:[::ffff:7f00:1]:${port}>`])
      expect((await bind(alice, `${own}, <${alice.contact}>`)).status, own).to.equal(403);
    expect(world.counters(0).get("federation.own_contacts") - before).to.equal(3);
    const invite = joe.invitation(ALICE);
    joe.dialogOf(invite, await joe.call(invite)).ack();
    await alice.confirmed();
  });

  it("within a session, by a Route that names its servers again and again, ends with 482 too", async () => {
    const { joe, bob } = await agents();
    const invite = joe.invitation(BOB);
    const joes = joe.dialogOf(invite, await joe.call(invite));
    joes.ack();
    await bob.confirmed();
    const [mine, toMesh, ofMesh, his] = joes.routes as [string, string, string, string];
    // However they are spelt: names are compared as they are meant.
    const around = Array.from({ length: 20 }, (_, at) =>
      [ofMesh, toMesh].map((name) => name.replace(";lr", `;lr;round=${at}`)),
    ).flat();
    const followed = () => [0, 1].reduce((sum, at) => sum + world.counters(at).get("session.followed"), 0);
    const [loopsBefore, followedBefore] = [loops(), followed()];
    const routes = [mine, toMesh, ...around, ofMesh, his];
    expect((await joe.send(joes.request("INFO", { routes }))).status).to.equal(482);
    expect((await joe.send(joes.request("INVITE", { routes }))).status).to.equal(482);
    expect(loops() - loopsBefore).to.equal(2);
    expect(followed() - followedBefore).to.equal(6);
    joe.stack.acknowledge(joes.request("ACK", { routes }), joe.server);
    await eventually(() => loops() - loopsBefore === 3, "the ACK to be found");
    expect(bob.methods()).to.deep.equal(["INVITE", "ACK"]);
    expect((await joes.send("BYE")).status, "the session goes on").to.equal(200);
  });

  /** Joe and alice at the first server, bob at the second. */
  async function agents() {
    const [joe, alice, bob] = [
      await world.agent("joe", 0),
      await world.agent("alice", 0),
      await world.agent("bob", 1),
    ] as const;
    for (const agent of [alice, bob]) {
      await bind(agent, "*", 0);
      await agent.register();
    }
    return { joe, alice, bob };
  }
});

/** A REGISTER with a Contact of the test's own. */
function bind(agent: Agent, contact: string, expires = 600) {
  const address = `<${agent.aor}>`;
  const headers: [string, string][] = [
    ["Contact", contact],
    ["Expires", String(expires)],
  ];
  const init = { method: "REGISTER", uri: "sip:example.com", from: `${address};tag=b`, to: address, headers };
  return agent.send(createRequest(init));
}
