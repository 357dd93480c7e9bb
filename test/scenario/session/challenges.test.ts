import { expect } from "chai";
import { createResponse } from "../../../node/sip/message/build.ts";
import { formatCredentials, parseCredentials } from "../../../node/sip/message/credentials.ts";
import type { SipRequest, SipResponse } from "../../../node/sip/message/message.ts";
import type { Agent } from "./session-world.ts";
import { SessionWorld } from "./session-world.ts";

const ALICE = "sip:alice@example.com";

describe("devices that ask for credentials of their own", function () {
  this.timeout(60_000);
  let world: SessionWorld;

  beforeEach(async () => {
    world = await SessionWorld.of(2, [], [], "digest");
  });
  afterEach(() => world.stop());

  const realmsIn = ({ headers }: SipRequest | SipResponse, name: string) =>
    headers.all(name).map((value) => parseCredentials(value).params.get("realm"));
  const field = (realm: string) =>
    formatCredentials({ scheme: "Digest", params: new Map(Object.entries({ realm, nonce: "n", response: "r" })) });

  /** Asks as a server of its own would, until it gets what it asks for. */
  function asks(agent: Agent, status: 401 | 407, realm: string): void {
    const [challenge, credentials] =
      status === 401 ? ["WWW-Authenticate", "Authorization"] : ["Proxy-Authenticate", "Proxy-Authorization"];
    agent.onInvite((incoming) => {
      if (realmsIn(incoming.request, credentials!).includes(realm)) return agent.answer(incoming);
      incoming.respond(createResponse(incoming.request, status, { headers: [[challenge!, field(realm)]] }));
    });
  }

  it("ask the caller all at once, whichever of them is heard; credentials reach them, and this server's do not", async () => {
    const joe = await world.agent("joe", 0);
    const devices = [
      await world.agent("alice", 1),
      await world.agent("alice", 1, "TCP"),
      await world.agent("alice", 1),
    ];
    for (const device of devices) expect((await device.register()).status).to.equal(200);
    asks(devices[0]!, 401, "desk");
    asks(devices[1]!, 407, "gateway");
    devices[2]!.onInvite((incoming) => incoming.respond(createResponse(incoming.request, 486)));

    const refused = await joe.call(joe.invitation(ALICE));
    expect(refused.status).to.equal(401);
    expect(realmsIn(refused, "WWW-Authenticate")).to.deep.equal(["desk"]);
    expect(realmsIn(refused, "Proxy-Authenticate")).to.deep.equal(["gateway"]);

    const invite = joe.invitation(ALICE, [["Proxy-Authorization", field("gateway")]]);
    const response = await joe.call(invite);
    expect(response.status).to.equal(200);
    const joes = joe.dialogOf(invite, response);
    joes.ack();
    await devices[1]!.confirmed();
    for (const { received } of devices)
      for (const { request } of received)
        expect(realmsIn(request, "Proxy-Authorization"), request.method).to.not.include("example.com");

    const headers: [string, string][] = [
      ["Proxy-Authorization", field("gateway")],
      ["Proxy-Authorization", field("example.com")],
    ];
    expect((await joe.send(joes.request("INFO", { headers }))).status, "within the session too").to.equal(200);
    expect(realmsIn(devices[1]!.received.at(-1)!.request, "Proxy-Authorization")).to.deep.equal(["gateway"]);
  });

  it("do not learn what a password makes of a nonce of their choosing, asking in the name of this realm", async () => {
    const [joe, alice] = [await world.agent("joe", 0), await world.agent("alice", 1)];
    expect((await alice.register()).status).to.equal(200);
    asks(alice, 401, "example.com");
    expect((await joe.call(joe.invitation(ALICE))).status).to.equal(401);
    const answered = joe.invitation(ALICE, [
      ["Authorization", field("example.com")],
      ["Authorization", field("Example.COM")],
      ["Authorization", field("desk")],
    ]);
    expect((await joe.call(answered)).status).to.equal(401);
    expect(alice.received.filter(({ request }) => request.method === "INVITE")).to.have.length(2);
    expect(realmsIn(alice.received.at(-1)!.request, "Authorization")).to.deep.equal(["desk"]);
  });
});
