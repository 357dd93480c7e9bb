import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { expect } from "chai";
import { createRequest, tagOf } from "../../../node/sip/message/build.ts";
import type { SipResponse } from "../../../node/sip/message/message.ts";
import { serializeMessage } from "../../../node/sip/message/serialize-message.ts";
import { eventually } from "../../helpers/eventually.ts";
import type { TcpRelay } from "../../helpers/tcp-relay.ts";
import { startTcpRelay } from "../../helpers/tcp-relay.ts";
import { rawClient } from "../../sip/harness.ts";
import { Agent, SessionWorld } from "./session-world.ts";

const ALICE = "sip:alice@example.com";

describe("a device over TCP whose connection has closed, and which listens at its Contact", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  let relay: TcpRelay;
  let alice: Agent;

  before(async () => {
    world = await SessionWorld.of(1);
  });
  beforeEach(async () => {
    relay = await startTcpRelay(world.sides[0]!.stack.listening().find(({ transport }) => transport === "TCP")!);
    alice = new Agent("alice", { transport: "TCP", address: "127.0.0.1", port: relay.port });
    await alice.start();
    await alice.register();
  });
  afterEach(async () => {
    await world.endAgents();
    await relay.stop();
    await alice.stop();
  });
  after(() => world.stop());

  it("goes on with its session, and hears of its end", async () => {
    const joe = await world.agent("joe", 0);
    const invite = joe.invitation(ALICE);
    const joes = joe.dialogOf(invite, await joe.call(invite));
    await relay.cut();
    joes.ack();
    const alices = await alice.confirmed();
    expect((await joes.send("INFO")).status).to.equal(200);
    expect((await alices.send("INFO")).status, "by a new connection").to.equal(200);
    expect((await joes.send("BYE")).status).to.equal(200);
    expect(alice.methods()).to.deep.equal(["INVITE", "ACK", "INFO", "BYE"]);
  });

  it("calls, and hears of the end of that session", async () => {
    const joe = await world.agent("joe", 0);
    await joe.register();
    const invite = alice.invitation(joe.aor);
    alice.dialogOf(invite, await alice.call(invite)).ack();
    const joes = await joe.confirmed();
    await relay.cut();
    expect((await joes.send("BYE")).status).to.equal(200);
  });

  /** A port of the device's host at which it expects no SIP, and how often somebody has connected to it. */
  async function otherPort() {
    const connections: unknown[] = [];
    const server = createServer((socket) => connections.push(socket.on("error", () => {}))).listen(0, "127.0.0.1");
    await once(server, "listening");
    return { connections, server, uri: `sip:x@127.0.0.1:${(server.address() as AddressInfo).port};transport=tcp` };
  }

  for (const calls of ["joe", "alice"] as const) {
    it(`is called back there alone, whatever the other end's requests say: ${calls} has called`, async () => {
      const joe = await world.agent("joe", 0);
      await joe.register();
      const [caller, callee] = calls === "joe" ? [joe, alice] : [alice, joe];
      const invite = caller.invitation(callee.aor);
      const callers = caller.dialogOf(invite, await caller.call(invite));
      callers.ack();
      const callees = await callee.confirmed();
      const joes = calls === "joe" ? callers : callees;
      const { connections, server, uri: target } = await otherPort();
      for (const changes of [
        { target },
        { routes: [...joes.routes, `<${target};lr>`] },
        { target, routes: [...joes.routes, "<sip:192.0.2.7;lr>"] },
      ]) {
        await relay.cut();
        const before = alice.methods().length;
        await joe.send(joes.request("INFO", changes));
        joe.stack.acknowledge(joes.request("ACK", changes), joe.server);
        await eventually(() => alice.methods().length === before + 2, "INFO and ACK");
      }
      expect(connections).to.have.length(0);
      server.close();
    });
  }

  it("is not called back at all where its Contact is on another host", async () => {
    const joe = await world.agent("joe", 0);
    await joe.register();
    const invite = alice.invitation(joe.aor);
    invite.headers.set("Contact", "<sip:device@192.0.2.7:5060;transport=tcp>");
    alice.dialogOf(invite, await alice.call(invite)).ack();
    const joes = await joe.confirmed();
    const { connections, server, uri: target } = await otherPort();
    await relay.cut();
    expect((await joe.send(joes.request("INFO", { target }))).status).to.equal(430);
    expect(connections).to.have.length(0);
    server.close();
  });

  it("gets a NOTIFY again, and only once, under which a connection closed", async () => {
    const notifies: string[] = [];
    const device = createServer((socket) => {
      socket
        .on("error", () => {})
        .on("data", (octets) => {
          notifies.push(octets.toString());
          socket.destroy();
        });
    }).listen(0, "127.0.0.1");
    await once(device, "listening");
    const client = await rawClient(world.sides[0]!.stack.listening().find(({ transport }) => transport === "TCP")!);
    const contact = `sip:w@127.0.0.1:${(device.address() as AddressInfo).port};transport=tcp`;
    const subscribe = createRequest({
      method: "SUBSCRIBE",
      uri: ALICE,
      from: "<sip:joe@example.com>;tag=w",
      to: `<${ALICE}>`,
      callId: "cut-off",
      headers: [
        ["Via", "SIP/2.0/TCP client.invalid;branch=z9hG4bKcut"],
        ["Max-Forwards", "70"],
        ["Event", "presence"],
        ["Contact", `<${contact}>`],
      ],
    });
    client.send(serializeMessage(subscribe));
    for (let text = ""; !text.includes("NOTIFY ");) text += await client.received.next();
    client.close();
    await eventually(() => notifies.length > 0, "a NOTIFY");
    await eventually(() => world.sides[0]!.presence.status().watchers === 0, "the end of the subscription");
    expect(notifies).to.have.length(1);
    expect(notifies[0]).to.match(/^NOTIFY /);
    device.close();
  });

  it("keeps its subscription: the next NOTIFY comes to its Contact, and a refresh is accepted", async () => {
    const joe = await world.agent("joe", 0);
    let remote = "<sip:joe@example.com>";
    let cseq = 0;
    const subscribe = (): Promise<SipResponse> =>
      alice.send(
        createRequest({
          method: "SUBSCRIBE",
          uri: joe.aor,
          from: `<${ALICE}>;tag=w`,
          to: remote,
          callId: "watch",
          cseq: ++cseq,
          headers: [
            ["Event", "presence"],
            ["Contact", `<${alice.contact}>`],
            ["Expires", "600"],
          ],
        }),
      );
    const { headers } = await subscribe();
    remote += `;tag=${tagOf(headers.get("To")!)}`;
    const notifies = () => alice.methods().filter((method) => method === "NOTIFY").length;
    await eventually(() => notifies() > 0, "the first NOTIFY");
    await relay.cut();
    const before = notifies();
    await joe.register();
    await eventually(() => notifies() > before, "a NOTIFY at the Contact");
    expect((await subscribe()).status).to.equal(200);
  });
});
