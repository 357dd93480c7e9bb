import { expect } from "chai";
import { serializeMessage } from "../../../node/sip/message/serialize-message.ts";
import { createRequest } from "../../../node/sip/message/build.ts";
import { rawClient } from "../../sip/harness.ts";
import type { SessionWorld } from "../session/session-world.ts";
import { OtherServer, worldWithOther } from "./other-server.ts";

const ALICE = "sip:alice@example.com";

describe("a third-party REGISTER", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  let other: OtherServer;

  beforeEach(async () => ({ world, other } = await worldWithOther(2)));
  afterEach(() => world.stop());

  /** What a MESSAGE to alice is answered; 202 says that it waits for her, who is nowhere. */
  async function messageToAlice(): Promise<number> {
    const joe = await world.agent("joe", 1);
    return (await joe.call(joe.outside("MESSAGE", ALICE, [["Content-Type", "text/plain"]]))).status;
  }
  const contacts = () => world.sides[0]!.registrar.status().contacts;

  it("of a server that is trusted binds its user to it, whatever user of the server From names", async () => {
    expect((await other.register("alice")).status).to.equal(200);
    expect((await other.register("kate", { from: "<sip:registrar@elsewhere.org>;tag=s" })).status).to.equal(200);
    expect(contacts()).to.equal(2);
    expect(await messageToAlice()).to.equal(200);
    expect(other.agent.methods()).to.include("MESSAGE");
  });

  it("of anybody else is asked for credentials: from another port of that address, or by another transport", async () => {
    for (const transport of ["UDP", "TCP"] as const) {
      const neighbour = new OtherServer(await world.agent("other-server", 0, transport));
      const response = await neighbour.register("alice", { contact: `<${other.agent.contact}>` });
      expect(response.status, transport).to.equal(401);
      expect(response.headers.has("WWW-Authenticate"), transport).to.equal(true);
    }
    expect(contacts()).to.equal(0);
    expect(await messageToAlice()).to.equal(202);
  });

  it("of a user, with the credentials of that user, for another is refused with 403", async () => {
    const joe = await world.agent("joe", 0);
    const headers: [string, string][] = [["Contact", `<${joe.contact}>`]];
    const init = { method: "REGISTER", uri: "sip:example.com", from: `<${joe.aor}>;tag=j`, to: `<${ALICE}>` };
    expect((await joe.call(createRequest({ ...init, headers }))).status).to.equal(403);
    const asAlice = { ...init, from: `<${ALICE}>;tag=j`, headers };
    expect((await joe.call(createRequest(asAlice))).status).to.equal(403);
    expect(contacts()).to.equal(0);
  });

  it("at a server that does not trust its sender, though another of the domain does, is asked for credentials", async () => {
    const { port } = world.sides[1]!.stack.listening().find(({ transport }) => transport === "UDP")!;
    const request = other.request("alice");
    const server = { transport: "UDP", address: "127.0.0.1", port } as const;
    expect((await other.agent.stack.send(request, server)).status).to.equal(401);
  });

  it("for a user of another domain, or for nobody, is answered 404, and for another registrar 403", async () => {
    for (const to of ["<sip:alice@elsewhere.org>", "<sip:example.com>", "<tel:+123>", "<sip:alice@127.0.0.1>"])
      expect((await other.register("alice", { to })).status, to).to.equal(404);
    expect((await other.register("alice", { uri: "sip:elsewhere.org" })).status).to.equal(403);
    expect(contacts()).to.equal(0);
  });

  it("that is malformed is answered 400, and binds nothing", async () => {
    // What lacks these is answered before anybody asks who sent it.
    for (const missing of ["Call-ID", "CSeq", "To", "From"]) {
      const request = other.request("alice");
      request.headers.delete(missing).prepend("Via", "SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bKbad");
      const client = await rawClient(world.sides[0]!.stack.listening().find(({ transport }) => transport === "UDP")!);
      client.send(serializeMessage(request));
      expect(await client.received.next(), `no ${missing}`).to.match(/^SIP\/2\.0 400 /);
      client.close();
    }
    expect((await other.register("alice", { to: '"Alice <sip:alice@example.com>' })).status).to.equal(400);
    expect((await other.register("alice", { contact: "<sip:a b@c>" })).status).to.equal(400);
    expect((await other.register("alice", { contact: "*" })).status, "* with Expires 600").to.equal(400);
    expect((await other.register("alice", { expires: 5 })).status).to.equal(423);
    expect(contacts()).to.equal(0);
  });

  it("without a Contact binds nothing, and says what is bound", async () => {
    expect((await other.register("alice")).status).to.equal(200);
    const { status, headers } = await other.register("alice", { contact: undefined });
    expect([status, headers.all("Contact").length]).to.deep.equal([200, 1]);
    expect(contacts()).to.equal(1);
  });

  it("whose Contact is this very server is refused with 403", async () => {
    const { address, port } = other.agent.server;
    expect((await other.register("alice", { contact: `<sip:alice@${address}:${port}>` })).status).to.equal(403);
    expect(contacts()).to.equal(0);
  });

  it("brings no user back from another server by any of their devices that only refresh", async () => {
    const devices = ["desk@kamailio", "mobile@kamailio"];
    const register = (cseq: number) =>
      Promise.all(devices.map(async (callId) => (await other.register("alice", { callId, cseq })).status));
    expect(await register(1)).to.deep.equal([200, 200]);
    await (await world.agent("alice", 1)).register();
    expect(await register(2)).to.deep.equal([403, 403]);
    expect(contacts()).to.equal(0);
  });

  it("that is repeated later, with a CSeq that is not above, is answered 500 and changes nothing", async () => {
    expect((await other.register("alice", { cseq: 7 })).status).to.equal(200);
    for (const cseq of [7, 6, 1])
      expect((await other.register("alice", { cseq, expires: 0 })).status, `CSeq ${cseq}`).to.equal(500);
    expect(contacts()).to.equal(1);
    expect((await other.register("kate", { cseq: 1 })).status, "each user's are counted alone").to.equal(200);
    expect((await other.register("alice", { cseq: 8, expires: 0 })).status).to.equal(200);
    expect(contacts()).to.equal(1);
  });
});
