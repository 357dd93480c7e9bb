import { expect } from "chai";
import { createRequest, createResponse } from "../../../node/sip/message/build.ts";
import type { SipResponse } from "../../../node/sip/message/message.ts";
import { randomCallId } from "../../../node/sip/message/tags.ts";
import type { IncomingRequest } from "../../../node/sip/stack.ts";
import { eventually } from "../../helpers/eventually.ts";
import type { TcpRelay } from "../../helpers/tcp-relay.ts";
import { startTcpRelay } from "../../helpers/tcp-relay.ts";
import { session } from "./calls.ts";
import type { Agent } from "./session-world.ts";
import { SessionWorld, Unreachable } from "./session-world.ts";

describe("a client that nobody can call, and whose connection was lost within a session", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  let relay: TcpRelay;
  let joe: Agent;
  let alice: Unreachable;

  before(async () => {
    world = await SessionWorld.of(2);
  });
  beforeEach(async () => {
    relay = await startTcpRelay(world.sides[1]!.stack.listening().find(({ transport }) => transport === "TCP")!);
    alice = new Unreachable("alice", { transport: "TCP", address: "127.0.0.1", port: relay.port });
    await alice.start();
    await alice.register();
    joe = await world.registered("joe", 0);
  });
  afterEach(async () => {
    await world.endAgents();
    await alice.register(0);
    await alice.stop();
    await relay.stop();
  });
  after(() => world.stop());

  it("is reached, and waited for, when it registers again from the same Contact, whoever has called", async () => {
    for (const calls of ["joe", "alice"] as const) {
      const { callers, callees } = await (calls === "joe" ? session(joe, alice) : session(alice, joe));
      const joes = calls === "joe" ? callers : callees;
      await relay.cut();
      const info = joes.send("INFO");
      await alice.register();
      expect((await info).status, calls).to.equal(200);
      expect((await joes.send("BYE")).status, calls).to.equal(200);
      for (const { received } of [joe, alice]) received.splice(0);
    }
  });

  it("gets once what it had not answered when its connection closed", async () => {
    const { callers: joes } = await session(joe, alice);
    const arrived: IncomingRequest[] = [];
    const answer = ({ request, respond }: IncomingRequest) => respond(createResponse(request, 200));
    alice.stack.onRequest((incoming) => {
      if (arrived.push(incoming) > 1) answer(incoming);
    });
    const info = joes.send("INFO");
    await eventually(() => arrived.length > 0, "the INFO");
    await relay.cut();
    await alice.register();
    answer(arrived[0]!);
    expect((await info).status).to.equal(200);
    expect((await joes.send("BYE")).status).to.equal(200);
    expect(arrived.map(({ request }) => request.method)).to.deep.equal(["INFO", "BYE"]);
  });

  it("gets once what it had not answered when it registered by another connection", async () => {
    const callId = randomCallId();
    const registers = (client: Agent, cseq: number) => {
      const headers: [string, string][] = [
        ["Contact", `<${client.contact}>`],
        ["Expires", "600"],
      ];
      const [uri, address] = [client.aor.replace(/[^:]*@/, ""), `<${client.aor}>`];
      return client.call(
        createRequest({ method: "REGISTER", uri, from: `${address};tag=r`, to: address, callId, cseq, headers }),
      );
    };
    expect((await registers(alice, 1)).status).to.equal(200);
    const { callers: joes } = await session(joe, alice);
    let isThere = false;
    alice.stack.onRequest(() => (isThere = true));
    const info = joes.send("INFO");
    await eventually(() => isThere, "the INFO");
    const again = new Unreachable("alice", alice.server);
    await again.start();
    expect((await registers(again, 2)).status).to.equal(200);
    expect((await info).status).to.equal(200);
    expect((await joes.send("BYE")).status).to.equal(200);
    expect(again.methods()).to.deep.equal(["INFO", "BYE"]);
    await again.stop();
  });

  it("gets no INVITE that was given up while it was away", async () => {
    const { callers } = await session(joe, alice);
    await relay.cut();
    const givenUp = new AbortController();
    const onProvisional = (): void => givenUp.abort();
    const answer = await joe.call(callers.request("INVITE"), { signal: givenUp.signal, onProvisional });
    expect(answer.status).to.equal(487);
    await alice.register();
    expect((await callers.send("BYE")).status).to.equal(200);
    expect(alice.methods()).to.deep.equal(["INVITE", "ACK", "BYE"]);
  });

  it("keeps nobody waiting who has given up an INVITE that had reached it", async () => {
    const { callers } = await session(joe, alice);
    alice.onInvite((incoming) => incoming.respond(createResponse(incoming.request, 180)));
    const givenUp = new AbortController();
    const cutAndGiveUp = async (): Promise<void> => {
      await relay.cut();
      givenUp.abort();
    };
    const onProvisional = ({ status }: SipResponse): void => void (status === 180 && cutAndGiveUp());
    const answer = await joe.call(callers.request("INVITE"), { signal: givenUp.signal, onProvisional });
    expect(answer.status).to.equal(487);
  });

  it("is reached after a restart of its server, too", async () => {
    const { callers } = await session(joe, alice);
    await world.restart(1, () => relay.cut());
    await alice.register();
    expect((await callers.send("BYE")).status).to.equal(200);
  });

  it("gets the ACK of a session that it has accepted before", async () => {
    const invite = joe.invitation(alice.aor);
    const joes = joe.dialogOf(invite, await joe.call(invite));
    await relay.cut();
    await alice.register();
    joes.ack();
    await alice.confirmed();
    expect((await joes.send("BYE")).status).to.equal(200);
  });

  it("is reached by the connection that it has now, though its server has not heard that the first is dead", async () => {
    const { callers: joes } = await session(joe, alice);
    const again = new Unreachable("alice", alice.server);
    await again.start();
    expect((await again.register()).status).to.equal(200);
    expect((await joes.send("BYE")).status).to.equal(200);
    expect([alice.methods(), again.methods()]).to.deep.equal([["INVITE", "ACK"], ["BYE"]]);
    await again.stop();
  });

  it("is not whoever the request names instead", async () => {
    const { callers: joes } = await session(joe, alice);
    await relay.cut();
    const before = alice.received.length;
    const elsewhere = joes.request("INFO", { target: joe.contact });
    elsewhere.headers.set("To", elsewhere.headers.get("To")!.replace("alice", "joe"));
    expect((await joe.send(elsewhere)).status).to.equal(430);
    expect([alice.received.length - before, joe.received.length]).to.deep.equal([0, 0]);
  });
});
