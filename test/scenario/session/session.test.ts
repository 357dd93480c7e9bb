import { expect } from "chai";
import { limits } from "../../../node/runtime/limits.ts";
import { createRequest, createResponse } from "../../../node/sip/message/build.ts";
import type { SipRequest } from "../../../node/sip/message/message.ts";
import { parseNameAddr } from "../../../node/sip/message/name-addr.ts";
import { serializeMessage } from "../../../node/sip/message/serialize-message.ts";
import { randomTag } from "../../../node/sip/message/tags.ts";
import { eventually } from "../../helpers/eventually.ts";
import { rawClient } from "../../sip/harness.ts";
import { session } from "./calls.ts";
import { SessionWorld } from "./session-world.ts";

const ALICE = "sip:alice@example.com";

describe("a session between users", function () {
  this.timeout(60_000);
  let world: SessionWorld;

  before(async () => {
    world = await SessionWorld.of(3);
  });
  afterEach(() => world.endAgents());
  after(() => world.stop());

  for (const [where, server] of [
    ["the same server", 0],
    ["another server", 1],
  ] as const) {
    it(`at ${where}: rings, is answered, acknowledged, changed and ended from either end`, async () => {
      const joe = await world.agent("joe", 0);
      const alice = await world.agent("alice", server, "TCP");
      await joe.register();
      await alice.register();
      alice.onInvite((incoming) => {
        incoming.respond(createResponse(incoming.request, 180, { toTag: "ring" }));
        alice.answer(incoming);
      });
      const invite = joe.invitation(ALICE, [["P-Asserted-Identity", "<sip:president@example.com>"]]);
      const heard: number[] = [];
      const response = await joe.call(invite, { onProvisional: ({ status }) => heard.push(status) });
      expect(response.status).to.equal(200);
      expect(heard).to.include(180);
      for (const { headers } of [response, alice.received[0]!.request]) {
        const names = [...headers.entries()].map(([name]) => name);
        expect(names.filter((name) => name.startsWith("Aorta-"))).to.deep.equal([]);
      }
      expect(alice.received[0]?.request.headers.get("P-Asserted-Identity")).to.equal("<sip:joe@example.com>");
      expect(alice.received[0]?.request.uri).to.equal(alice.contact);
      const joes = joe.dialogOf(invite, response);
      expect(joes.routes, "each server on the way, towards either side").to.have.length(server === 0 ? 2 : 4);
      joes.ack();
      const alices = await alice.confirmed();
      expect((await joes.send("INFO")).status).to.equal(200);
      expect((await alices.send("INFO")).status).to.equal(200);
      const { status, headers } = await alices.send("OPTIONS");
      expect([status, headers.get("Allow")], "of the other end, not of the server").to.deep.equal([200, undefined]);
      const again = await joe.call(joes.request("INVITE"));
      expect(again.status).to.equal(200);
      joes.ack();
      expect((await alices.send("BYE")).status).to.equal(200);
      await eventually(() => alice.methods().filter((method) => method === "ACK").length === 2, "the second ACK");
      expect(joe.methods()).to.deep.equal(["INFO", "OPTIONS", "BYE"]);
      expect(alice.methods()).to.deep.equal(["INVITE", "ACK", "INFO", "INVITE", "ACK"]);
      expect(alice.received[2]?.request.headers.has("Route")).to.equal(false);
      await alice.register(0);
    });
  }

  it("is with the first device that answers; the others stop ringing", async () => {
    const joe = await world.agent("joe", 0);
    const [desk, mobile] = [await world.registered("alice", 1), await world.registered("alice", 1)];
    desk.rings();
    mobile.onInvite((incoming) => {
      // Somebody picks up when both ring.
      void eventually(() => desk.methods().includes("INVITE"), "the other to ring").then(() => mobile.answer(incoming));
    });
    const invite = joe.invitation(ALICE);
    const response = await joe.call(invite);
    expect(response.status).to.equal(200);
    joe.dialogOf(invite, response).ack();
    await eventually(() => desk.cancelled.length === 1, "a CANCEL");
    await mobile.confirmed();
    expect(desk.methods()).to.deep.equal(["INVITE"]);
    expect(desk.reasons, "no missed call").to.deep.equal(['SIP;cause=200;text="Call completed elsewhere"']);
    for (const phone of [desk, mobile]) await phone.register(0);
  });

  it("that the caller gives up stops ringing everywhere, and is answered 487", async () => {
    const joe = await world.agent("joe", 0);
    const phones = [await world.agent("alice", 1), await world.agent("alice", 1, "TCP")];
    for (const phone of phones) {
      await phone.register();
      phone.rings();
    }
    const giveUp = new AbortController();
    const reason = 'Q.850;cause=31;text="enough"';
    let ringing = 0;
    const answer = joe.call(joe.invitation(ALICE), {
      signal: giveUp.signal,
      onProvisional: ({ status }) => status === 180 && ++ringing === 2 && giveUp.abort(reason),
    });
    expect((await answer).status).to.equal(487);
    for (const phone of phones) {
      await eventually(() => phone.cancelled.length === 1, "a CANCEL");
      expect(phone.reasons, "the caller's own").to.deep.equal([reason]);
      await phone.register(0);
    }
  });

  it("that nobody takes is answered with the best that the devices said", async () => {
    const joe = await world.agent("joe", 0);
    const [busy, lost] = [await world.agent("alice", 2), await world.agent("alice", 2)];
    await busy.register();
    await lost.register();
    lost.onInvite((incoming) => incoming.respond(createResponse(incoming.request, 488)));
    busy.onInvite((incoming) => incoming.respond(createResponse(incoming.request, 415)));
    expect((await joe.call(joe.invitation(ALICE))).status).to.equal(415);
    for (const phone of [busy, lost]) await phone.register(0);
  });

  it("to a device that is overloaded is answered 500: 503 would be of the caller's own server, within a session too", async () => {
    const [joe, alice] = [await world.agent("joe", 0), await world.registered("alice", 1)];
    const { callers: joes } = await session(joe, alice);
    alice.onInvite((incoming) => incoming.respond(createResponse(incoming.request, 503)));
    expect((await joes.send("INVITE")).status).to.equal(500);
    expect((await joe.call(joe.invitation(ALICE))).status).to.equal(500);
    expect((await joes.send("BYE")).status).to.equal(200);
    await alice.register(0);
  });

  it("that one device declines for the person stops ringing at the others", async () => {
    const joe = await world.agent("joe", 0);
    const [ringing, decliner] = [await world.agent("alice", 2), await world.agent("alice", 2)];
    for (const phone of [ringing, decliner]) await phone.register();
    ringing.rings();
    decliner.onInvite((incoming) => {
      void eventually(() => ringing.methods().includes("INVITE"), "the other to ring").then(() =>
        incoming.respond(createResponse(incoming.request, 603)),
      );
    });
    expect((await joe.call(joe.invitation(ALICE))).status).to.equal(603);
    expect(ringing.cancelled).to.have.length(1);
    for (const phone of [ringing, decliner]) await phone.register(0);
  });

  it("that two devices answer in the same instant is told to the caller twice, who keeps one", async () => {
    const joe = await world.agent("joe", 0);
    const phones = [await world.agent("alice", 1), await world.agent("alice", 1)];
    for (const phone of phones) {
      await phone.register();
      // A device that has answered as the CANCEL comes does not take it back.
      phone.onInvite((incoming) => {
        incoming.onCancel(() => {});
        const both = () => phones.every((each) => each.methods().includes("INVITE"));
        void eventually(both, "both to ring").then(() => phone.answer(incoming));
      });
    }
    const invite = joe.invitation(ALICE);
    const answers = [];
    answers.push(await joe.call(invite, { onSuccess: (response) => answers.push(response) }));
    await eventually(() => answers.length >= 2, "the second answer");
    const tags = new Set(answers.map(({ headers }) => headers.get("To")));
    expect(tags.size).to.equal(2);
    for (const answer of answers) joe.dialogOf(invite, answer).ack();
    for (const phone of phones) await phone.confirmed();
    expect((await joe.dialogOf(invite, answers[1]!).send("BYE")).status).to.equal(200);
    for (const phone of phones) await phone.register(0);
  });

  it("goes on where it is while the user moves to another server, and ends there", async () => {
    const joe = await world.agent("joe", 0);
    const alice = await world.agent("alice", 1);
    await joe.register();
    await alice.register();
    const { callers: joes } = await session(joe, alice);
    const elsewhere = await world.agent("alice", 2);
    expect((await elsewhere.register()).status).to.equal(200);
    expect((await joe.call(joes.request("INVITE"))).status).to.equal(200);
    joes.ack();
    expect((await joes.send("BYE")).status).to.equal(200);
    expect(alice.methods().at(-1)).to.equal("BYE");
    expect(elsewhere.methods(), "the session is none of the new device's").to.deep.equal([]);
    const next = joe.invitation(ALICE);
    const answered = await joe.call(next);
    expect(answered.status).to.equal(200);
    joe.dialogOf(next, answered).ack();
    await elsewhere.confirmed();
    await elsewhere.register(0);
  });

  it("whose other end has lost its connection is answered 430, so that this end can end it", async () => {
    const joe = await world.agent("joe", 0);
    const alice = await world.registered("alice", 1, "TCP");
    const { callers: joes } = await session(joe, alice);
    await alice.stop();
    // The server may hear of the end of the connection a moment later.
    let status = 0;
    while (status !== 430) ({ status } = await joes.send("INFO"));
    expect((await joes.send("BYE")).status).to.equal(430);
  });

  it("hears its answer again when that is repeated, until it has acknowledged it", async () => {
    const joe = await world.agent("joe", 0);
    const alice = await world.registered("alice", 1);
    let repeat = () => {};
    alice.onInvite((incoming) => {
      const answer = createResponse(incoming.request, 200, {
        toTag: "t",
        headers: [["Contact", `<${alice.contact}>`]],
      });
      incoming.respond(answer);
      repeat = () => incoming.respond(answer);
    });
    const again: number[] = [];
    const invite = joe.invitation(ALICE);
    const answer = await joe.call(invite, { onSuccess: ({ status }) => again.push(status) });
    repeat();
    await eventually(() => again.length === 1, "the answer again");
    joe.dialogOf(invite, answer).ack();
    await alice.confirmed();
    expect(again).to.deep.equal([200]);
    await alice.register(0);
  });

  it("is refused to nobody's user with 480, and to more devices than the request may branch to with 440", async () => {
    const joe = await world.agent("joe", 0);
    expect((await joe.call(joe.invitation("sip:nobody@example.com"))).status).to.equal(480);
    const phones = [await world.agent("alice", 1), await world.agent("alice", 1)];
    for (const phone of phones) await phone.register();
    expect((await joe.call(joe.invitation(ALICE, [["Max-Breadth", "1"]]))).status).to.equal(440);
    expect((await joe.call(joe.invitation(ALICE, [["Max-Breadth", "many"]]))).status).to.equal(400);
    for (const phone of phones) await phone.register(0);
  });
});

describe("a way into a session", function () {
  this.timeout(60_000);
  let world: SessionWorld;

  before(async () => {
    world = await SessionWorld.of(2);
  });
  afterEach(() => world.endAgents());
  after(() => world.stop());

  it("has to be one that the servers on it have recorded", async () => {
    const joe = await world.agent("joe", 0);
    const alice = await world.registered("alice", 1);
    const { callers: joes } = await session(joe, alice);
    const statusOf = async (routes: readonly string[], headers: [string, string][] = []) =>
      (await joe.send(joes.request("INFO", { routes, headers }))).status;
    const [mine, toMesh, ofMesh, hers] = joes.routes as [string, string, string, string];
    const forged = mine.replace(/:[\w-]{8}/, ":AAAAAAAA");
    expect(await statusOf([forged, toMesh, ofMesh, hers]), "a token of its own making").to.equal(481);
    expect(await statusOf([toMesh, ofMesh, hers]), "the mesh, from without").to.equal(481);
    expect(await statusOf([]), "no way at all").to.equal(481);
    expect(await statusOf([mine, toMesh, ofMesh]), "half a way").to.equal(404);
    expect(await statusOf(joes.routes, [["Max-Forwards", "0"]])).to.equal(483);
    expect(await statusOf(joes.routes, [["Max-Forwards", "x"]])).to.equal(400);
    expect(alice.methods()).to.deep.equal(["INVITE", "ACK"]);
    expect(await statusOf(joes.routes)).to.equal(200);
    const byNobody = [mine, toMesh, "<sip:nobody@mesh.invalid;lr>"];
    expect(await statusOf(byNobody), "a server that is gone: to where the other end is").to.equal(200);
    expect(alice.methods()).to.deep.equal(["INVITE", "ACK", "INFO", "INFO"]);
    const stray = joe.dialogOf(
      joe.invitation(ALICE),
      createResponse(joe.invitation(ALICE), 200, { toTag: randomTag(), headers: [["Contact", "<sip:a@b>"]] }),
    );
    expect((await stray.send("BYE")).status, "no such session").to.equal(481);
    await alice.register(0);
  });

  it("may come by a strict router, with the first name for its Request-URI and the other end at the end (RFC 3261 §16.4)", async () => {
    const joe = await world.agent("joe", 0);
    const alice = await world.registered("alice", 1);
    const { callers: joes } = await session(joe, alice);
    const [mine, ...others] = joes.routes as [string, ...string[]];
    const strict = (request: SipRequest): SipRequest => ({ ...request, uri: parseNameAddr(mine).uri });
    const last = `<${alice.contact}>`;
    expect((await joe.send(strict(joes.request("INFO", { routes: [...others, last] })))).status).to.equal(200);
    expect(alice.received.at(-1)?.request.uri).to.equal(alice.contact);
    expect(alice.received.at(-1)?.request.headers.all("Route")).to.deep.equal([]);
    const forged = { ...joes.request("INFO", { routes: [...others, last] }), uri: "sip:AAAA.BBBB@127.0.0.1;lr" };
    expect((await joe.send(forged)).status, "a name of its own making").to.equal(481);
    await alice.register(0);
  });

  it("is good for that session alone, and for nothing that is asked in somebody's name", async () => {
    const { joe, mallory, alice, joes, alices } = await talking();
    const foreign = { from: "<sip:mallory@example.com>;tag=m", to: "<sip:alice@example.com>;tag=made-up" };
    const refused = () => world.counters(0).get("session.refused");
    const unknown = () => world.counters(0).get("edge.refused.481");
    const [refusedBefore, unknownBefore] = [refused(), unknown()];
    const ofSessions = ["INVITE", "BYE", "PRACK", "UPDATE", "INFO", "REFER", "OPTIONS"];
    const inSomebodysName = ["SUBSCRIBE", "PUBLISH", "REGISTER", "UNHEARD-OF"];
    for (const sender of [joe, mallory]) {
      const statusOf = async (method: string, changes: Changes) =>
        (await sender.send(changed(joes.request(method), changes))).status;
      for (const method of ofSessions) {
        expect(await statusOf(method, { callId: "another" }), `${method} of another session`).to.equal(481);
        expect(await statusOf(method, foreign), `${method} by somebody else's tags`).to.equal(481);
      }
      for (const method of inSomebodysName) expect(await statusOf(method, {}), method).to.equal(403);
    }
    expect(alice.methods()).to.deep.equal(["INVITE", "ACK"]);
    expect(refused() - refusedBefore, "each is counted").to.equal(2 * inSomebodysName.length);
    expect(unknown() - unknownBefore, "each is counted").to.equal(2 * 2 * ofSessions.length);
    expect((await alices.send("INFO")).status, "from the other end it goes on").to.equal(200);
    expect((await joes.send("BYE")).status).to.equal(200);
  });

  it("brings messages of the two who talk, both ways and as they are written (RFC 3428 §4), and nobody else's", async () => {
    const { joe, mallory, alice, joes, alices } = await talking();
    const cpim = "From: <sip:joe@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\nlook";
    const written = joes.request("MESSAGE", { headers: [["Content-Type", "message/cpim"]] });
    expect((await joe.send({ ...written, body: Buffer.from(cpim) })).status).to.equal(200);
    expect((await alices.send("MESSAGE")).status).to.equal(200);
    expect(alice.methods()).to.deep.equal(["INVITE", "ACK", "MESSAGE"]);
    expect(joe.methods()).to.deep.equal(["MESSAGE"]);
    const { headers, body } = alice.received.at(-1)!.request;
    expect([headers.get("Content-Type"), Buffer.from(body).toString()]).to.deep.equal(["message/cpim", cpim]);
    expect(world.sides[1]!.held.status.messages).to.equal(0);
    const foreign = { from: "<sip:mallory@example.com>;tag=m", to: "<sip:alice@example.com>;tag=made-up" };
    const before = alice.received.length;
    const another = changed(joes.request("MESSAGE"), { callId: "another", ...foreign });
    expect((await mallory.send(another)).status).to.be.within(400, 499);
    expect(alice.received).to.have.lengthOf(before);
  });

  it("is still good when its servers have restarted, and still for nothing else", async () => {
    const { joe, alice, joes, alices } = await talking();
    for (const server of [0, 1]) await world.restart(server);
    expect((await joes.send("INFO")).status).to.equal(200);
    expect((await alices.send("INFO")).status).to.equal(200);
    expect((await joe.send(changed(joes.request("INFO"), { callId: "another" }))).status).to.equal(481);
    expect((await joes.send("PUBLISH")).status).to.equal(403);
    expect((await alices.send("BYE")).status).to.equal(200);
    expect(alice.methods()).to.deep.equal(["INVITE", "ACK", "INFO"]);
    expect(joe.methods()).to.deep.equal(["INFO", "BYE"]);
  });

  it("begins no other session: a tag that only looks like one is none", async () => {
    const { joe, alice, joes } = await talking();
    const from = joes.request("INFO").headers.get("From")!;
    const [tag] = /tag=[^;]+/.exec(from)!;
    const inQuotes = { from: `<sip:president@example.com>;${tag}`, to: '<sip:alice@example.com>;x=";tag=y"' };
    const afterBracket = { ...inQuotes, to: '<sip:alice@example.com>;x=">;tag=y"' };
    const others = { from: `<sip:president@example.com>;x=";${tag}";tag=m`, to: "<sip:alice@example.com>;tag=y" };
    for (const changes of [inQuotes, afterBracket, others])
      for (const method of ["INVITE", "REFER"])
        expect((await joe.send(changed(joes.request(method), changes))).status, changes.to).to.be.within(400, 499);
    expect(alice.methods()).to.deep.equal(["INVITE", "ACK"]);
    expect((await joes.send("BYE")).status).to.equal(200);
  });

  it("brings what became of a REFER, and no other notification", async () => {
    const { joe, alice, joes, alices } = await talking();
    const refused = () => world.counters(1).get("session.refused");
    const before = refused();
    expect((await joes.send("REFER")).status).to.equal(200);
    const notify = async (headers: [string, string][]) =>
      (await alice.send(alices.request("NOTIFY", { headers }))).status;
    for (const event of ["refer", "refer;id=93809824"]) expect(await notify([["Event", event]]), event).to.equal(200);
    expect(await notify([["o", "refer"]]), "in compact form").to.equal(200);
    for (const event of ["check-sync", "message-summary", "presence", "refer.winfo"])
      expect(await notify([["Event", event]]), event).to.equal(403);
    expect(await notify([]), "of nothing").to.equal(403);
    expect(
      await notify([
        ["Event", "refer"],
        ["Event", "check-sync"],
      ]),
      "of two things",
    ).to.equal(403);
    expect(refused() - before).to.equal(6);
    expect(joe.methods()).to.deep.equal(["NOTIFY", "NOTIFY", "NOTIFY"]);
    expect((await joes.send("BYE")).status).to.equal(200);
  });

  it("carries no more at a time than one into a device does, and is as good afterwards", async () => {
    const { joe, alice, joes, alices } = await talking();
    const large = (method: string, bytes: number) => ({ ...joes.request(method), body: new Uint8Array(bytes) });
    const { bodyBytes } = limits.session;
    for (const method of ["INFO", "UPDATE", "INVITE", "BYE"])
      expect((await joe.send(large(method, bodyBytes + 1))).status, method).to.equal(413);
    joe.stack.acknowledge(large("ACK", bodyBytes + 1), joe.server);
    expect((await joe.send(large("INFO", bodyBytes))).status).to.equal(200);
    expect((await alices.send("BYE")).status).to.equal(200);
    expect(alice.methods()).to.deep.equal(["INVITE", "ACK", "INFO"]);
  });

  it("has no INVITE to cancel when none is open", async () => {
    const { alice, joes } = await talking();
    const cancel = joes.request("CANCEL");
    cancel.headers.prepend("Via", "SIP/2.0/UDP client.invalid;rport;branch=z9hG4bKstray");
    const client = await rawClient(world.sides[0]!.stack.listening().find(({ transport }) => transport === "UDP")!);
    client.send(serializeMessage(cancel));
    expect(await client.received.next()).to.match(/^SIP\/2\.0 481 /);
    client.close();
    expect(alice.methods()).to.deep.equal(["INVITE", "ACK"]);
    expect((await joes.send("BYE")).status).to.equal(200);
  });

  /** Joe at the first server and alice at the second, in a session; and mallory, who has seen all of it. */
  async function talking() {
    const joe = await world.agent("joe", 0);
    const mallory = await world.agent("mallory", 0, "TCP");
    const alice = await world.registered("alice", 1);
    const { callers: joes, callees: alices } = await session(joe, alice);
    await alice.register(0);
    return { joe, mallory, alice, joes, alices };
  }
});

interface Changes {
  readonly from?: string;
  readonly to?: string;
  readonly callId?: string;
}

/** A request of a session that claims to be of another. */
function changed(request: SipRequest, { from, to, callId }: Changes): SipRequest {
  const headers = request.headers.clone();
  if (from !== undefined) headers.set("From", from);
  if (to !== undefined) headers.set("To", to);
  if (callId !== undefined) headers.set("Call-ID", callId);
  return { ...request, headers };
}

describe("a server that asks for digests", () => {
  let world: SessionWorld;

  before(async () => {
    world = await SessionWorld.of(1, [], [], "digest");
  });
  after(() => world.stop());

  it("asks for one again as soon as a way is used for anything but its session", async () => {
    const joe = await world.agent("joe", 0);
    const alice = await world.agent("alice", 0, "TCP");
    expect((await alice.register()).status).to.equal(200);
    const { callers: joes } = await session(joe, alice);
    const president = "<sip:president@example.com>;tag=p";
    const statusOf = async (method: string, uri: string, changes: Changes) =>
      (await joe.send({ ...changed(joes.request(method), changes), uri })).status;
    const another = { from: president, to: `<${ALICE}>`, callId: "another" };
    for (const method of ["MESSAGE", "INVITE"]) expect(await statusOf(method, ALICE, another), method).to.equal(407);
    expect(await statusOf("REGISTER", "sip:example.com", another)).to.equal(401);
    expect(await statusOf("MESSAGE", ALICE, { from: president })).to.equal(407);
    expect(await statusOf("NOTIFY", alice.contact, { ...another, to: `<${ALICE}>;tag=t` })).to.equal(481);
    expect(alice.methods()).to.deep.equal(["INVITE", "ACK"]);
    expect((await joes.send("BYE")).status, "which needs none").to.equal(200);
  });
});

describe("a server that clients know by a name", () => {
  let world: SessionWorld;

  before(async () => {
    world = await SessionWorld.of(1, [], [{ host: "sip1.example.com" }, { host: "203.0.113.5", port: 5060 }]);
  });
  after(() => world.stop());

  it("takes the name in a Route for its own, puts it into Record-Route, and is still no relay to others", async () => {
    const joe = await world.agent("joe", 0);
    const alice = await world.registered("alice", 0, "TCP");
    const message = (route: string) => {
      const [from, to] = [`<${joe.aor}>;tag=m`, `<${ALICE}>`];
      const headers: [string, string][] = [
        ["Route", route],
        ["Content-Type", "text/plain"],
      ];
      return joe.send(createRequest({ method: "MESSAGE", uri: ALICE, from, to, headers, body: "hello" }));
    };
    const { port } = joe.server;
    for (const own of ["sip1.example.com", "SIP1.example.com:5060", `sip1.example.com:${port}`, "203.0.113.5:5060"])
      expect((await message(`<sip:${own};lr>`)).status, own).to.equal(200);
    for (const other of ["sip2.example.com", "203.0.113.5:5080", "sip1.example.com:9"])
      expect((await message(`<sip:${other};lr>`)).status, other).to.equal(403);

    const invite = joe.invitation(ALICE, [["Route", "<sip:sip1.example.com;lr>"]]);
    const joes = joe.dialogOf(invite, await joe.call(invite));
    joes.ack();
    await alice.confirmed();
    for (const route of joes.routes) expect(route).to.match(/@sip1\.example\.com:\d+/);
    expect((await joes.send("BYE")).status).to.equal(200);
  });

  it("says the name to watchers, in Contact and in Via", async () => {
    const joe = await world.agent("joe", 0);
    const headers: [string, string][] = [
      ["Event", "presence"],
      ["Contact", `<${joe.contact}>`],
      ["Expires", "600"],
    ];
    const from = `<${joe.aor}>;tag=${randomTag()}`;
    const init = { method: "SUBSCRIBE", uri: ALICE, from, to: `<${ALICE}>`, headers };
    const response = await joe.send(createRequest(init));
    expect(response.status).to.equal(200);
    await eventually(() => joe.received.length > 0, "a NOTIFY");
    const { request } = joe.received[0]!;
    expect(request.method).to.equal("NOTIFY");
    const here = `sip1.example.com:${joe.server.port}`;
    for (const message of [response, request]) expect(message.headers.get("Contact")).to.equal(`<sip:${here}>`);
    expect(request.headers.get("Via")).to.match(new RegExp(`^SIP/2\\.0/UDP ${here};`));
  });
});
