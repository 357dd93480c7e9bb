import { expect } from "chai";
import { createRequest, createResponse } from "../../../node/sip/message/build.ts";
import type { SipRequest } from "../../../node/sip/message/message.ts";
import { randomCallId, randomTag } from "../../../node/sip/message/tags.ts";
import { worldWithOther } from "../sidecar/other-server.ts";
import type { Agent } from "./session-world.ts";
import { DOMAIN, SessionWorld } from "./session-world.ts";

const aorOf = (user: string) => `sip:${user}@${DOMAIN}`;

/** A request as of one of the users behind a socket. */
function by(user: string, request: SipRequest): SipRequest {
  request.headers.set("From", `<${aorOf(user)}>;tag=${randomTag()}`);
  return request;
}

function register(agent: Agent, user: string, fields: [string, string][] = []): SipRequest {
  const line = agent.contact.replace("device", user);
  return createRequest({
    method: "REGISTER",
    uri: `sip:${DOMAIN}`,
    from: `<${aorOf(user)}>;tag=r`,
    to: `<${aorOf(user)}>`,
    callId: randomCallId(),
    headers: [["Contact", `<${line}>`], ["Expires", "600"], ...fields],
  });
}

const message = (agent: Agent, from: string, to: string) => by(from, agent.outside("MESSAGE", aorOf(to)));

describe("users behind one socket", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  afterEach(() => world.stop());

  for (const transport of ["UDP", "TCP"] as const) {
    it(`of a telephone with two lines write to each other and call each other over ${transport}`, async () => {
      world = await SessionWorld.of(1);
      const phone = await world.agent("joe", 0, transport);
      for (const user of ["joe", "alice"]) expect((await phone.send(register(phone, user))).status).to.equal(200);
      expect((await phone.send(message(phone, "joe", "alice"))).status).to.equal(200);
      const invite = phone.invitation(aorOf("joe"));
      const answer = await phone.send(by("alice", invite));
      expect(answer.status).to.equal(200);
      const dialog = phone.dialogOf(invite, answer);
      dialog.ack();
      expect((await dialog.send("BYE")).status).to.equal(200);
      const users = phone.received.map(({ request }) => `${request.method} ${request.uri.split("@")[0]}`);
      expect(users.slice(0, 2)).to.deep.equal(["MESSAGE sip:alice", "INVITE sip:joe"]);
    });
  }

  it("have no copy of what they write to themselves on the device that they write with, but on their others", async () => {
    world = await SessionWorld.of(1);
    const [phone, desk] = [await world.agent("joe", 0), await world.agent("joe", 0)];
    for (const agent of [phone, desk]) expect((await agent.register()).status).to.equal(200);
    expect((await phone.send(phone.outside("MESSAGE", aorOf("joe")))).status).to.equal(200);
    expect([phone.methods(), desk.methods()]).to.deep.equal([[], ["MESSAGE"]]);
  });

  it("of a proxy at the edge (RFC 3327) write to each other, and to themselves on another device behind it", async () => {
    world = await SessionWorld.of(1);
    const proxy = await world.agent("proxy", 0);
    const path = proxy.contact.replace("device@", "");
    const fields: [string, string][] = [
      ["Path", `<${path};lr>`],
      ["Supported", "path"],
    ];
    for (const user of ["joe", "alice"]) expect((await proxy.send(register(proxy, user, fields))).status).to.equal(200);
    expect((await proxy.send(message(proxy, "joe", "alice"))).status).to.equal(200);
    expect((await proxy.send(message(proxy, "joe", "joe"))).status).to.equal(200);
    expect(proxy.received.map(({ request }) => request.uri.split("@")[0])).to.deep.equal(["sip:alice", "sip:joe"]);
  });

  it("of a server without a node write to each other by way of the node, and what comes back as it went is a loop", async () => {
    const { world: made, other } = await worldWithOther(1);
    world = made;
    for (const user of ["kate", "karl"]) expect((await other.register(user)).status).to.equal(200);
    const write = (from: string, to: string) => {
      const request = other.agent.outside("MESSAGE", aorOf(to), [["P-Asserted-Identity", `<${aorOf(from)}>`]]);
      return other.agent.send(request);
    };
    expect((await write("kate", "karl")).status).to.equal(200);
    expect((await write("kate", "kate")).status).to.equal(200);
    expect(other.agent.methods().filter((method) => method === "MESSAGE")).to.have.length(2);
    // A server that does not take its user for its own sends what it gets back to the node.
    const asked: string[] = [];
    other.agent.stack.onRequest(({ request, respond }) => {
      asked.push(request.method);
      const bounced = { ...request, uri: aorOf("karl"), headers: request.headers.clone() };
      void other.agent.send(bounced).then(({ status }) => respond(createResponse(request, status)));
    });
    for (const request of [other.agent.outside("MESSAGE", aorOf("karl")), other.agent.invitation(aorOf("karl"))]) {
      request.headers.append("P-Asserted-Identity", `<${aorOf("kate")}>`);
      expect((await other.agent.send(request)).status, request.method).to.equal(482);
    }
    expect(asked).to.deep.equal(["MESSAGE", "INVITE"]);
    expect(world.counters(0).get("federation.loops")).to.equal(2);
  });
});
