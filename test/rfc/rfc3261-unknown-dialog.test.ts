import { expect } from "chai";
import { createRequest, createResponse } from "../../node/sip/message/build.ts";
import type { Agent } from "../scenario/session/session-world.ts";
import { SessionWorld } from "../scenario/session/session-world.ts";

const ALICE = "sip:alice@example.com";

/** Who can know that there is no dialog, as nobody has made the tag in To. */
const BY_THE_NODE: readonly [why: string, methods: readonly string[]][] = [
  ["every session has its way by it", ["INVITE", "BYE", "INFO", "UPDATE", "PRACK", "REFER"]],
  ["so has what comes of all else but MESSAGE", ["OPTIONS", "LATEST-NEWS"]],
  ["subscriptions are its own", ["SUBSCRIBE", "NOTIFY"]],
];
const BY_A_DEVICE = "MESSAGE";

describe("a request of a dialog that there is not (RFC 3261 §12.2.2)", function () {
  this.timeout(30_000);
  let world: SessionWorld;
  let joe: Agent;

  before(async () => {
    world = await SessionWorld.of(2);
  });
  beforeEach(async () => {
    joe = await world.agent("joe", 0);
  });
  afterEach(() => world.endAgents());
  after(() => world.stop());

  const statusOf = async (method: string) => {
    const [from, to] = [`<${joe.aor}>;tag=j`, `<${ALICE}>;tag=made-up`];
    const headers: [string, string][] = [
      ["Event", "presence"],
      ["Contact", `<${joe.contact}>`],
    ];
    return (await joe.send(createRequest({ method, uri: ALICE, from, to, headers }))).status;
  };

  for (const [where, server] of [
    ["at the same server", 0],
    ["at another server", 1],
  ] as const) {
    it(`is answered 481 by the node or by the device, whoever can know, where its user is ${where}`, async () => {
      const alice = await world.agent("alice", server);
      expect((await alice.register()).status).to.equal(200);
      const arrived: string[] = [];
      alice.stack.onRequest(({ request, respond }) => {
        arrived.push(request.method);
        respond(createResponse(request, 481));
      });
      for (const [why, methods] of BY_THE_NODE)
        for (const method of methods) expect(await statusOf(method), `${method}: ${why}`).to.equal(481);
      expect(arrived).to.deep.equal([]);
      expect(await statusOf(BY_A_DEVICE)).to.equal(481);
      expect(arrived).to.deep.equal([BY_A_DEVICE]);
      await alice.register(0);
    });
  }

  it("is vouched for by nobody where its user is nowhere", async () => {
    for (const [why, methods] of BY_THE_NODE)
      for (const method of methods) expect(await statusOf(method), `${method}: ${why}`).to.equal(481);
    expect(await statusOf(BY_A_DEVICE), "not held: no 202").to.equal(480);
  });
});
