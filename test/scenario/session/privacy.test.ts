import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import type { SipRequest } from "../../../node/sip/message/message.ts";
import { randomTag } from "../../../node/sip/message/tags.ts";
import { eventually } from "../../helpers/eventually.ts";
import type { Agent } from "./session-world.ts";
import { SessionWorld } from "./session-world.ts";

const ALICE = "sip:alice@example.com" as Aor;
const JOE = "sip:joe@example.com" as Aor;
const NOBODY = "sip:anonymous@anonymous.invalid";

describe("a user who does not want to be known (RFC 3323, RFC 3325)", function () {
  this.timeout(60_000);
  let world: SessionWorld;
  let joe: Agent;
  let alice: Agent;

  beforeEach(async () => {
    world = await SessionWorld.of(2, [], [], "digest");
    [joe, alice] = [await world.agent("joe", 0), await world.agent("alice", 1)];
  });
  afterEach(() => world.stop());

  function hidden(request: SipRequest): SipRequest {
    request.headers.set("From", `"Anonymous" <${NOBODY}>;tag=${randomTag()}`).set("Privacy", "id");
    return request;
  }

  /** All that alice's device was shown. */
  const shown = () => alice.received.flatMap(({ request }) => [request.uri, ...[...request.headers.entries()].flat()]);

  async function historyOf(server: number, user: Aor) {
    const query = { user, words: [], sinceMs: 0, beforeMs: Number.MAX_SAFE_INTEGER, limit: 10 };
    const { entries } = await world.sides[server]!.history.search(query, false);
    return entries.map(({ peer, sent, text }) => ({ peer, sent, text }));
  }

  it("writes and calls, and the other end is not told who it is", async () => {
    await alice.register();
    const message = hidden(joe.outside("MESSAGE", ALICE, [["Content-Type", "text/plain"]]));
    expect((await joe.call({ ...message, body: Buffer.from("guess who") })).status).to.equal(200);
    const invite = hidden(joe.invitation(ALICE));
    const session = joe.dialogOf(invite, await joe.call(invite));
    session.ack();
    const other = await alice.confirmed();
    expect((await alice.send(other.request("INFO"))).status).to.equal(200);
    expect((await session.send("BYE")).status).to.equal(200);
    for (const method of ["OPTIONS", "REFER"]) {
      const request = hidden(joe.outside(method, ALICE, [["Contact", `<${joe.contact}>`]]));
      expect((await joe.call(request)).status, method).to.equal(200);
    }
    expect(alice.methods()).to.deep.equal(["MESSAGE", "INVITE", "ACK", "BYE", "OPTIONS", "REFER"]);
    expect(shown().filter((text) => text.includes("joe"))).to.deep.equal([]);
    expect(await historyOf(0, JOE)).to.deep.equal([{ peer: ALICE, sent: true, text: "guess who" }]);
    expect(await historyOf(1, ALICE)).to.deep.equal([{ peer: NOBODY, sent: false, text: "guess who" }]);
  });

  it("is not told of by another spelling of nobody's address", async () => {
    await alice.register();
    for (const nobody of ["sip:anonymous@ANONYMOUS.invalid", "sip:anonymous@anonymous.invalid:5060"]) {
      const message = joe.outside("MESSAGE", ALICE, [["Content-Type", "text/plain"]]);
      message.headers.set("From", `<${nobody}>;tag=${randomTag()}`);
      expect((await joe.call({ ...message, body: Buffer.from("guess who") })).status).to.equal(200);
    }
    expect(alice.received).to.have.lengthOf(2);
    expect(shown().filter((text) => text.includes("joe"))).to.deep.equal([]);
  });

  it("has a message held that stays unsigned until it is delivered", async () => {
    const message = hidden(joe.outside("MESSAGE", ALICE, [["Content-Type", "text/plain"]]));
    expect((await joe.call({ ...message, body: Buffer.from("for later") })).status).to.equal(202);
    await alice.register();
    // When the device has answered it is written down.
    await eventually(() => world.counters(1).get("history.added") === 1, "the held message");
    expect(shown().filter((text) => text.includes("joe"))).to.deep.equal([]);
    expect(await historyOf(1, ALICE)).to.deep.equal([{ peer: NOBODY, sent: false, text: "for later" }]);
  });

  it("needs a password all the same, and a name to register, publish and watch", async () => {
    expect((await joe.send(hidden(joe.outside("MESSAGE", ALICE)))).status).to.equal(407);
    const headers: [string, string][] = [
      ["Event", "presence"],
      ["Contact", `<${joe.contact}>`],
    ];
    const register = hidden(joe.outside("REGISTER", "sip:example.com", headers));
    register.headers.set("To", `<${JOE}>`);
    expect((await joe.call(register)).status).to.equal(403);
    expect((await joe.call(hidden(joe.outside("PUBLISH", JOE, headers)))).status).to.equal(403);
    expect((await joe.call(hidden(joe.outside("SUBSCRIBE", ALICE, headers)))).status).to.equal(403);
  });
});
