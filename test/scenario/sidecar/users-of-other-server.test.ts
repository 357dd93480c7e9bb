import { expect } from "chai";
import { formatCredentials, parseCredentials } from "../../../node/sip/message/credentials.ts";
import type { SipResponse } from "../../../node/sip/message/message.ts";
import type { SessionWorld } from "../session/session-world.ts";
import type { OtherServer } from "./other-server.ts";
import { worldWithOther } from "./other-server.ts";

const [ALICE, JOE] = ["sip:alice@example.com", "sip:joe@example.com"];

describe("what a server without a node passes on for its users, whom it names in P-Asserted-Identity", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  let other: OtherServer;

  beforeEach(async () => ({ world, other } = await worldWithOther(2)));
  afterEach(() => world.stop());

  /** Of a user there, or of the server itself where none is named. */
  function send(method: string, asserted: string | undefined, headers: [string, string][]): Promise<SipResponse> {
    const identity: [string, string][] = asserted === undefined ? [] : [["P-Asserted-Identity", `<${asserted}>`]];
    return other.agent.send(other.agent.outside(method, ALICE, [...identity, ...headers]));
  }

  it("tells nobody of another user's registrations, which the server itself may ask for", async () => {
    const fields: [string, string][] = [
      ["Event", "reg"],
      ["Contact", `<${other.agent.contact}>`],
    ];
    for (const somebody of [JOE, "sip:joe@elsewhere.org", "tel:+123"])
      expect((await send("SUBSCRIBE", somebody, fields)).status, somebody).to.equal(403);
    expect((await send("SUBSCRIBE", ALICE, fields)).status).to.equal(200);
    expect((await send("SUBSCRIBE", undefined, fields)).status).to.equal(200);
  });

  it("is told what the node can do, in whosever name it asks", async () => {
    const node = `sip:${other.agent.server.address}:${other.agent.server.port}`;
    for (const from of ["sip:dispatcher@localhost", node, ALICE, "sip:anonymous@anonymous.invalid"]) {
      const options = other.agent.outside("OPTIONS", node);
      options.headers.set("From", `<${from}>;tag=1`);
      expect((await other.agent.send(options)).status, from).to.equal(200);
    }
  });

  it("does not tell devices what they have not subscribed to, which the server itself may", async () => {
    const alice = await world.agent("alice", 1);
    expect((await alice.register()).status).to.equal(200);
    expect((await send("NOTIFY", JOE, [["Event", "check-sync"]])).status).to.equal(481);
    expect(alice.methods()).to.deep.equal([]);
    expect((await send("NOTIFY", undefined, [["Event", "message-summary"]])).status).to.equal(200);
    expect(alice.methods()).to.deep.equal(["NOTIFY"]);
  });

  it("shows no device what a user's password makes of a nonce of its choosing, and other credentials as they are", async () => {
    const alice = await world.agent("alice", 1);
    expect((await alice.register()).status).to.equal(200);
    const credentials = (realm: string) =>
      formatCredentials({ scheme: "Digest", params: new Map(Object.entries({ realm, nonce: "n", response: "r" })) });
    const fields = ["Authorization", "Proxy-Authorization"].flatMap((name) =>
      ["example.com", "desk"].map((realm): [string, string] => [name, credentials(realm)]),
    );
    expect((await send("OPTIONS", JOE, fields)).status).to.equal(200);
    const [{ request } = { request: undefined }] = alice.received;
    for (const name of ["Authorization", "Proxy-Authorization"])
      expect(request?.headers.all(name).map((value) => parseCredentials(value).params.get("realm"))).to.deep.equal([
        "desk",
      ]);
  });
});
