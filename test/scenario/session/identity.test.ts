import { expect } from "chai";
import type { SipRequest } from "../../../node/sip/message/message.ts";
import { session } from "./calls.ts";
import { SessionWorld } from "./session-world.ts";

const ALICE = "sip:alice@example.com";
const FORGED: [string, string][] = [
  ["P-Asserted-Identity", '"President" <sip:president@example.com>'],
  ["p-asserted-identity", "<tel:+1>"],
  ["P-Preferred-Identity", "<sip:president@example.com>"],
];

describe("who a client says it is (RFC 3325)", function () {
  this.timeout(60_000);
  let world: SessionWorld;

  before(async () => {
    world = await SessionWorld.of(2, [], [], "digest");
  });
  afterEach(() => world.endAgents());
  after(() => world.stop());

  const removed = (server: number) => world.counters(server).get("edge.identities_removed");
  const identitiesIn = ({ headers }: Pick<SipRequest, "headers">) =>
    ["P-Asserted-Identity", "P-Preferred-Identity"].flatMap((name) => headers.all(name));

  it("is replaced by who it is, whatever it asks for and whichever way it comes, and is counted", async () => {
    const alice = await world.agent("alice", 1);
    expect((await alice.register()).status).to.equal(200);
    for (const transport of ["UDP", "TCP"] as const) {
      const joe = await world.agent("joe", 0, transport);
      const before = removed(0);
      const invite = joe.invitation(ALICE, FORGED);
      joe.dialogOf(invite, await joe.call(invite)).ack();
      const message = joe.outside("MESSAGE", ALICE, FORGED);
      expect((await joe.call(message)).status).to.equal(200);
      expect((await joe.call(joe.outside("OPTIONS", ALICE, FORGED))).status).to.equal(200);
      // Each was asked for credentials first.
      expect(removed(0) - before).to.equal(6);
    }
    expect(removed(1), "a server's word is left as it is").to.equal(0);
    const seen = alice.received.filter(({ request }) => request.method !== "ACK");
    expect(seen).to.have.length(6);
    for (const { request } of seen)
      expect(identitiesIn(request), request.method).to.deep.equal(["<sip:joe@example.com>"]);
    await alice.register(0);
  });

  it("is of no use without credentials, nor with those of another", async () => {
    const joe = await world.agent("joe", 0);
    const before = removed(0);
    for (const method of ["MESSAGE", "OPTIONS", "INVITE"])
      expect((await joe.send(joe.outside(method, ALICE, FORGED))).status, method).to.equal(407);
    for (const method of ["SUBSCRIBE", "PUBLISH"]) {
      const headers: [string, string][] = [...FORGED, ["Event", "presence"], ["Contact", `<${joe.contact}>`]];
      expect((await joe.send(joe.outside(method, ALICE, headers))).status, method).to.equal(401);
    }
    const winfo: [string, string][] = [
      ["P-Asserted-Identity", `<${ALICE}>`],
      ["Event", "presence.winfo"],
      ["Contact", `<${joe.contact}>`],
    ];
    expect((await joe.call(joe.outside("SUBSCRIBE", ALICE, winfo))).status, "alice's watchers").to.equal(403);
    expect(removed(0) - before).to.equal(7);
  });

  it("goes to nobody within a session, in requests and in answers", async () => {
    const [joe, alice] = [await world.agent("joe", 0), await world.registered("alice", 1)];
    alice.onInvite((incoming) => alice.answer(incoming, FORGED));
    const invite = joe.invitation(ALICE);
    const response = await joe.call(invite);
    const joes = joe.dialogOf(invite, response);
    joes.ack();
    const alices = await alice.confirmed();
    expect(identitiesIn(response), "of the answer").to.deep.equal([]);

    const [first, second] = [removed(0), removed(1)];
    expect((await joe.send(joes.request("INFO", { headers: FORGED }))).status).to.equal(200);
    expect(identitiesIn(alice.received.at(-1)!.request)).to.deep.equal([]);
    expect((await alice.send(alices.request("INFO", { headers: FORGED }))).status).to.equal(200);
    expect(identitiesIn(joe.received.at(-1)!.request)).to.deep.equal([]);
    const again = await joe.call(joes.request("INVITE"));
    joes.ack();
    expect([again.status, identitiesIn(again)]).to.deep.equal([200, []]);
    expect([removed(0) - first, removed(1) - second]).to.deep.equal([1, 1]);
    expect((await joes.send("BYE")).status).to.equal(200);
    await alice.register(0);
  });

  it("is within a session who began or answered it, where that is shown to people (MESSAGE, REFER), by whatever spelling", async () => {
    const [joe, alice] = [await world.agent("joe", 0), await world.registered("alice", 1)];
    const { callers: joes, callees: alices } = await session(joe, alice);
    const inNameOf = (request: SipRequest, uri: string): SipRequest => {
      const headers = request.headers.clone();
      const [tag] = /;tag=.*$/.exec(headers.get("From")!)!;
      return { ...request, headers: headers.set("From", `"Boss" <${uri}>${tag}`) };
    };
    for (const method of ["MESSAGE", "REFER"]) {
      for (const [agent, dialog] of [
        [joe, joes],
        [alice, alices],
      ] as const) {
        const other = agent === joe ? alice : joe;
        const before = other.received.length;
        const send = async (uri: string) => (await agent.send(inNameOf(dialog.request(method), uri))).status;
        for (const uri of ["sip:boss@example.com", other.aor, "tel:+1"]) expect(await send(uri), uri).to.equal(403);
        expect(other.received).to.have.lengthOf(before);
        expect(await send(agent.aor.replace("example.com", "EXAMPLE.com;user=ip"))).to.equal(200);
      }
    }
    // What only carries the session on may say that another is speaking now (RFC 4916).
    expect((await alice.send(inNameOf(alices.request("UPDATE"), "sip:boss@example.com"))).status).to.equal(200);
    expect((await joes.send("BYE")).status).to.equal(200);
    await alice.register(0);
  });
});
