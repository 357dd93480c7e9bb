import { expect } from "chai";
import { silentLogger } from "../../../node/runtime/logger.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import { createRequest, createResponse } from "../../../node/sip/message/build.ts";
import type { SipRequest, SipResponse } from "../../../node/sip/message/message.ts";
import { randomTag } from "../../../node/sip/message/tags.ts";
import { createSipStack } from "../../../node/sip/sip-stack.ts";
import type { Agent } from "./session-world.ts";
import { SessionWorld } from "./session-world.ts";

const ALICE = "sip:alice@example.com";
const VOICE_MAIL = "127.0.0.2";

describe("a request that the node does not serve itself", function () {
  this.timeout(60_000);
  let world: SessionWorld;

  before(async () => {
    world = await SessionWorld.of(2, [{ address: VOICE_MAIL }]);
  });
  afterEach(() => world.endAgents());
  after(() => world.stop());

  for (const [where, server] of [
    ["the same server", 0],
    ["another server", 1],
  ] as const) {
    for (const method of ["OPTIONS", "LATEST-NEWS"]) {
      it(`goes to the devices of its user at ${where}, which say what becomes of it: ${method}`, async () => {
        const [joe, alice] = [await world.agent("joe", 0), await world.agent("alice", server)];
        await alice.register();
        respond(alice, (request) => createResponse(request, 200, { headers: [["Allow", "JUGGLE"]] }));
        const forged: [string, string][] = [
          ["P-Asserted-Identity", "<sip:president@example.com>"],
          ["Aorta-Epoch", "9.9.9"],
        ];
        const answer = await joe.send(requestOf(joe, method, forged));
        expect([answer.status, answer.headers.get("Allow")]).to.deep.equal([200, "JUGGLE"]);
        const [{ request } = { request: undefined }] = alice.received;
        expect([request?.method, request?.uri]).to.deep.equal([method, alice.contact]);
        expect(request?.headers.get("P-Asserted-Identity")).to.equal("<sip:joe@example.com>");
        expect(request?.headers.has("Aorta-Epoch")).to.equal(false);
        await alice.register(0);
      });
    }

    it(`makes a dialog with a device at ${where} that goes on by the same way: REFER`, async () => {
      const [joe, alice] = [await world.agent("joe", 0), await world.agent("alice", server, "TCP")];
      await alice.register();
      const tag = randomTag();
      respond(alice, (request) =>
        createResponse(request, 202, { toTag: tag, headers: [["Contact", `<${alice.contact}>`]] }),
      );
      const refer = requestOf(joe, "REFER", [
        ["Refer-To", "<sip:bob@example.com>"],
        ["Contact", `<${joe.contact}>`],
      ]);
      const accepted = await joe.send(refer);
      expect(accepted.status).to.equal(202);
      const [arrived] = alice.received;
      const notify = (event: string, changes: { callId?: string } = {}): Promise<SipResponse> =>
        alice.send(
          createRequest({
            method: "NOTIFY",
            uri: joe.contact,
            from: `<${ALICE}>;tag=${tag}`,
            to: refer.headers.get("From")!,
            callId: refer.headers.get("Call-ID")!,
            ...changes,
            headers: [
              ...arrived!.request.headers.all("Record-Route").map((route): [string, string] => ["Route", route]),
              ["Event", event],
              ["Subscription-State", "active"],
            ],
          }),
        );
      expect((await notify("refer")).status).to.equal(200);
      expect((await notify("check-sync")).status, "nothing else").to.equal(403);
      expect((await notify("refer", { callId: "another" })).status, "nowhere else").to.equal(481);
      const dialog = joe.dialogOf(refer, accepted);
      const over = await joe.send(
        dialog.request("SUBSCRIBE", {
          headers: [
            ["Event", "refer"],
            ["Expires", "0"],
          ],
        }),
      );
      expect(over.status, "and joe may end it").to.equal(202);
      expect((await dialog.send("SUBSCRIBE")).status, "of what is not known").to.equal(403);
      expect(joe.methods()).to.deep.equal(["NOTIFY"]);
      expect(alice.methods()).to.deep.equal(["REFER", "SUBSCRIBE"]);
      await alice.register(0);
    });

    it(`of a server that is trusted tells devices at ${where} what they have not subscribed to; of a client it is of no dialog`, async () => {
      const alice = await world.agent("alice", server);
      await alice.register();
      const stack = createSipStack({
        listen: [{ transport: "UDP", address: VOICE_MAIL, port: 0 }],
        logger: silentLogger,
        counters: createCounters(),
      });
      await stack.start();
      try {
        const joe = await world.agent("joe", 0);
        const waiting = () =>
          createRequest({
            method: "NOTIFY",
            uri: ALICE,
            from: "<sip:voicemail@example.com>;tag=v",
            to: `<${ALICE}>`,
            headers: [
              ["Event", "message-summary"],
              ["Content-Type", "application/simple-message-summary"],
            ],
            body: "Messages-Waiting: yes\r\n",
          });
        expect((await joe.send(waiting())).status).to.equal(481);
        expect(alice.methods()).to.deep.equal([]);
        expect((await stack.send(waiting(), joe.server)).status).to.equal(200);
        expect(alice.methods()).to.deep.equal(["NOTIFY"]);
        expect(alice.received[0]?.request.headers.get("Event")).to.equal("message-summary");
      } finally {
        await stack.stop();
      }
      await alice.register(0);
    });
  }

  it("goes to no user who is nowhere, and to nobody where it names no user", async () => {
    const joe = await world.agent("joe", 0);
    expect((await joe.send(requestOf(joe, "REFER"))).status).to.equal(480);
    expect((await joe.send(requestOf(joe, "REFER", [], "sip:example.com"))).status).to.equal(405);
    expect((await joe.send(requestOf(joe, "REFER", [], "sip:bob@elsewhere.org"))).status).to.equal(403);
  });

  it("is never taken for a question of a server, whatever it is called", async () => {
    const [joe, alice] = [await world.agent("joe", 0), await world.agent("alice", 1)];
    await alice.register();
    expect((await joe.send(requestOf(joe, "AORTA-HISTORY"))).status).to.equal(405);
    expect(alice.methods()).to.deep.equal([]);
    await alice.register(0);
  });

  it("is checked like all that goes on: Max-Forwards, Proxy-Require, the size of its body", async () => {
    const [joe, alice] = [await world.agent("joe", 0), await world.agent("alice", 1)];
    await alice.register();
    expect((await joe.send(requestOf(joe, "REFER", [["Max-Forwards", "0"]]))).status).to.equal(483);
    expect((await joe.send(requestOf(joe, "REFER", [["Proxy-Require", "magic"]]))).status).to.equal(420);
    const large = { ...requestOf(joe, "REFER", [["Content-Type", "text/plain"]]), body: new Uint8Array(40_000) };
    expect((await joe.send(large)).status).to.equal(413);
    expect(alice.methods()).to.deep.equal([]);
    await alice.register(0);
  });
});

function respond(agent: Agent, answer: (request: SipRequest) => SipResponse): void {
  agent.stack.onRequest((incoming) => {
    agent.received.push(incoming);
    incoming.respond(answer(incoming.request));
  });
}

function requestOf(agent: Agent, method: string, headers: [string, string][] = [], uri = ALICE): SipRequest {
  return createRequest({ method, uri, from: `<${agent.aor}>;tag=${randomTag()}`, to: `<${uri}>`, headers });
}
