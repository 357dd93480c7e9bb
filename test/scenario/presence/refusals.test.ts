import { expect } from "chai";
import { keepList } from "../../helpers/kept-lists.ts";
import type { Aor } from "../../../dht-schema/aor.ts";
import { parseAor } from "../../../dht-schema/aor.ts";
import { createRequest } from "../../../node/sip/message/build.ts";
import type { SipRequest, SipResponse } from "../../../node/sip/message/message.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { pidfText } from "../../unit/presence/documents.ts";
import type { RegisteringPhone as Phone } from "./presence-world.ts";
import { PresenceWorld } from "./presence-world.ts";

type Fields = Record<string, string | undefined>;

/** A request of alice's with some fields other than usual; `undefined` leaves a field out. */
function request(
  phone: Phone,
  method: "PUBLISH" | "SUBSCRIBE" | "NOTIFY",
  changed: Fields = {},
  body = "",
): SipRequest {
  const usual: Fields = {
    Event: "presence",
    Expires: "3600",
    ...(method === "SUBSCRIBE" ? { Contact: `<${phone.client.contact}>` } : {}),
    ...(body === "" ? {} : { "Content-Type": "application/pidf+xml" }),
  };
  return createRequest({
    method,
    uri: phone.aor,
    from: `<${phone.aor}>;tag=a`,
    to: changed["To"] ?? `<${phone.aor}>`,
    headers: Object.entries({ ...usual, ...changed }).flatMap(([name, value]) =>
      value === undefined || name === "To" ? [] : [[name, value] as const],
    ),
    body,
  });
}

function alone() {
  const world = new PresenceWorld();
  const server = world.server("one");
  const alice = world.phone("alice", server);
  const send = (message: SipRequest): Promise<SipResponse> => world.time.until(alice.client.send(message));
  return { world, server, alice, send };
}

const hi = pidfText("hi");

describe("a PUBLISH that breaks a rule", () => {
  const cases: [what: string, fields: Fields, body: string, status: number, header?: [string, string]][] = [
    ["for no event package", { Event: undefined }, hi, 489, ["Allow-Events", "presence"]],
    ["for another event package", { Event: "dialog" }, hi, 489, ["Allow-Events", "presence"]],
    ["with two entity-tags", { "SIP-If-Match": "a, b" }, hi, 412],
    ["with an unknown entity-tag", { "SIP-If-Match": "a" }, hi, 412],
    ["with a malformed Expires", { Expires: "soon" }, hi, 400],
    ["that is too brief", { Expires: "59" }, hi, 423, ["Min-Expires", "60"]],
    ["without body and entity-tag", {}, "", 400],
    ["with a body of another type", { "Content-Type": "application/xml" }, hi, 415, ["Accept", "application/pidf+xml"]],
    ["with an encoded body", { "Content-Encoding": "gzip" }, hi, 415, ["Accept-Encoding", "identity"]],
    ["with a body encoded twice", { "Content-Encoding": "identity, gzip" }, hi, 415, ["Accept-Encoding", "identity"]],
    ["with a body that is no XML", {}, "<presence", 400],
    ["with a DOCTYPE", {}, `<!DOCTYPE presence>${hi}`, 400],
    [
      "with a bomb of entities",
      {},
      `<!DOCTYPE p [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>${hi.replace("hi", "&b;")}`,
      400,
    ],
    [
      "with an entity of a file",
      {},
      `<!DOCTYPE p [<!ENTITY f SYSTEM "file:///etc/passwd">]>${hi.replace("hi", "&f;")}`,
      400,
    ],
    ["with an entity that nobody declared", {}, hi.replace("hi", "&f;"), 400],
    ["with elements nested 4,000 deep", {}, hi.replace("hi", "<a>".repeat(4000)), 400],
    ["with more elements than a person has devices", {}, hi.replace("hi", "<a/>".repeat(3000)), 400],
    ["with a document that is no presence document", {}, "<x/>", 400],
    ["with a document that is too large", {}, pidfText("x".repeat(limits.presence.documentBytes)), 413],
  ];
  for (const [what, fields, body, status, header] of cases) {
    it(`${what} gets ${status}, and nothing is published`, async () => {
      const { server, alice, send } = alone();
      const response = await send(request(alice, "PUBLISH", fields, body));
      expect(response.status).to.equal(status);
      expect(server.counters.get(`presence.publish_refused.${status}`)).to.equal(1);
      if (header !== undefined) expect(response.headers.get(header[0])).to.equal(header[1]);
      expect(server.presence.hasPublications(alice.aor)).to.equal(false);
    });
  }

  it("with SIP-If-Match twice gets 400, though the first has the present entity-tag", async () => {
    const { alice, send } = alone();
    const first = (await send(request(alice, "PUBLISH", {}, hi))).headers.get("SIP-ETag");
    const twice = request(alice, "PUBLISH", { "SIP-If-Match": first });
    twice.headers.append("SIP-If-Match", "another");
    expect((await send(twice)).status).to.equal(400);
    expect((await send(request(alice, "PUBLISH", { "SIP-If-Match": first }))).status, "it stands").to.equal(200);
  });

  it("of somebody else's presence gets 403", async () => {
    const { world, server, send } = alone();
    const bob = world.phone("bob", server);
    const { status } = await send({
      ...request(bob, "PUBLISH", {}, hi),
      headers: request(bob, "PUBLISH", {}, hi).headers.set("From", "<sip:alice@example.com>;tag=a"),
    });
    expect(status).to.equal(403);
  });

  it("takes nobody over: a user is claimed only for a PUBLISH that is stored", async () => {
    const { world, alice, server } = alone();
    const two = world.server("two");
    await world.time.until(alice.publish("on one"));
    const other = world.phone("alice", two);
    for (const [note, options, status] of [
      ["too brief", { expires: 59 }, 423],
      [undefined, {}, 400],
      ["over at once", { expires: 0 }, 200],
      ["unknown tag", { ifMatch: "x" }, 412],
    ] as const)
      expect(
        (await world.time.until(other.publish(note, { ...options, initial: !("ifMatch" in options) }))).status,
      ).to.equal(status);
    expect(world.directory.ownerOf(alice.aor)?.owner).to.equal(server.locator);
    expect(two.locator.claims).to.deep.equal([]);
  });

  it("never quotes the request so that it could end the line", async () => {
    const { alice, send } = alone();
    const { reason } = await send(request(alice, "PUBLISH", {}, "<presence\r\n\u0001é"));
    expect(reason).to.match(/^Bad Request: [\x20-\x7e]+$/);
  });
});

describe("a SUBSCRIBE that breaks a rule", () => {
  const cases: [what: string, fields: Fields, status: number, header?: [string, string]][] = [
    ["to no event package", { Event: undefined }, 489, ["Allow-Events", "presence, presence.winfo, reg"]],
    ["to two event packages at once", { Event: "presence, dialog" }, 400],
    [
      "that accepts no presence document",
      { Accept: "application/cpim-pidf+xml" },
      406,
      ["Accept", "application/pidf+xml"],
    ],
    ["without a Contact", { Contact: undefined }, 400],
    ["with two Contacts", { Contact: "<sip:a@127.0.0.1>, <sip:b@127.0.0.1>" }, 400],
    ["with Contact *", { Contact: "*" }, 400],
    [
      "with a longer way than is kept",
      { "Record-Route": `<sip:${"p".repeat(limits.presence.dialogBytes)}@192.0.2.1;lr>` },
      400,
    ],
    ["with a malformed Expires", { Expires: "-1" }, 400],
    ["that is too brief", { Expires: "1" }, 423, ["Min-Expires", "60"]],
    ["within a dialog that nobody has", { To: "<sip:alice@example.com>;tag=none" }, 481],
  ];
  for (const [what, fields, status, header] of cases) {
    it(`${what} gets ${status}, and nobody is followed`, async () => {
      const { server, alice, send } = alone();
      const response = await send(request(alice, "SUBSCRIBE", fields));
      expect(response.status).to.equal(status);
      if (header !== undefined) expect(response.headers.get(header[0])).to.equal(header[1]);
      expect(server.presence.status()).to.deep.include({ watchers: 0, views: {} });
      expect(server.locator.watches).to.equal(0);
    });
  }

  it("is accepted with Accept that only implies a presence document", async () => {
    for (const accept of ["application/*;q=0.5", "*/*", "text/plain, Application/PIDF+xml"]) {
      const { alice, send } = alone();
      expect((await send(request(alice, "SUBSCRIBE", { Accept: accept }))).status).to.equal(200);
    }
  });

  it("repeats the id of Event in every NOTIFY, and follows Record-Route", async () => {
    const { world, alice, send } = alone();
    await send(
      request(alice, "SUBSCRIBE", { Event: "presence;id=7", "Record-Route": "<sip:proxy1;lr>, <sip:proxy2;lr>" }),
    );
    await world.time.advance(20);
    const { headers, uri } = alice.client.received[0] as SipRequest;
    expect([headers.get("Event"), headers.all("Route"), uri]).to.deep.equal([
      "presence;id=7",
      ["<sip:proxy1;lr>", "<sip:proxy2;lr>"],
      alice.client.contact,
    ]);
  });

  it("within a dialog, but of another Event or id than its subscription, gets 481 and changes nothing (RFC 6665 §4.5.2)", async () => {
    const { world, server, alice } = alone();
    const { dialog } = await world.time.until(alice.subscribe(alice.aor, { event: "presence;id=7" }));
    for (const event of ["presence;id=8", "presence", "presence.winfo;id=7", "reg"]) {
      const other = { ...dialog, event };
      expect((await world.time.until(alice.resubscribe(other))).status, event).to.equal(481);
      expect((await world.time.until(alice.resubscribe(other, 0))).status, event).to.equal(481);
    }
    expect(server.presence.status()).to.include({ watchers: 1 });
    expect((await world.time.until(alice.resubscribe(dialog))).status).to.equal(200);
    expect((await world.time.until(alice.resubscribe(dialog, 0))).status).to.equal(200);
  });

  it("within another's dialog gets 403, and out of order gets 500", async () => {
    const { world, server, alice } = alone();
    const { dialog } = await world.time.until(alice.subscribe(alice.aor));
    await world.time.until(alice.resubscribe(dialog));
    dialog.cseq -= 1;
    expect((await world.time.until(alice.resubscribe(dialog))).status).to.equal(500);
    const eve = world.phone("eve", server);
    expect((await world.time.until(eve.resubscribe({ ...dialog, cseq: 9 }))).status).to.equal(403);
  });
});

describe("a NOTIFY that nobody waits for", () => {
  it("gets 481 from a client and from a server", async () => {
    const { world, server, alice, send } = alone();
    const two = world.server("two");
    const stray = request(alice, "NOTIFY", { To: "<sip:alice@example.com>;tag=none", "Subscription-State": "active" });
    expect((await send(stray)).status).to.equal(481);
    const answer = await world.time.until(two.stack.send(stray, { transport: "MESH", server: server.locator.self }));
    expect(answer.status).to.equal(481);
  });
});

describe("a server that is full", () => {
  it("answers 503 with Retry-After to one watcher too many of a user, of the server, and to one PUBLISH too many that waits", async () => {
    const world = new PresenceWorld({ bounds: { watchersPerUser: 2, subscriptions: 3, publishesWaiting: 1 } });
    const server = world.server("one");
    const joe = world.phone("joe", server);
    const [alice, bob] = [parseAor("sip:alice@example.com"), parseAor("sip:bob@example.com")];
    const statuses: unknown[] = [];
    for (const to of [alice, alice, alice, bob, bob]) {
      const { status, headers } = await world.time.until(joe.subscribe(to));
      statuses.push(status === 200 ? status : [status, headers.get("Retry-After")]);
    }
    expect(statuses).to.deep.equal([200, 200, [503, "30"], 200, [503, "30"]]);

    const both = [world.phone("ann", server), world.phone("ben", server)].map((phone) => phone.publish("hi"));
    const answers = await world.time.until(Promise.all(both));
    expect(answers.map(({ status }) => status)).to.have.members([200, 503]);
  });

  it("lets no user have all of it: 403 with a Warning beyond their share, which is counted, and others are served", async () => {
    const world = new PresenceWorld({ bounds: { subscriptionsPerUser: 3 } });
    const server = world.server("one");
    const [joe, ann] = [world.phone("joe", server), world.phone("ann", server)];
    const others = ["alice", "bob", "carol", "dora"].map((name) => parseAor(`sip:${name}@example.com`));
    const dialogs = [];
    for (const to of others.slice(0, 3)) dialogs.push((await world.time.until(joe.subscribe(to))).dialog);
    const statusOf = async (phone: typeof joe, to: Aor, options = {}) =>
      (await world.time.until(phone.subscribe(to, options))).status;
    const refused = await world.time.until(joe.subscribe(others[3]!));
    expect([refused.status, refused.headers.get("Warning")?.slice(0, 10)]).to.deep.equal([403, "399 aorta "]);
    expect(await statusOf(world.phone("joe", server), others[3]!), "from another device").to.equal(403);
    for (const event of ["presence.winfo", "reg"]) expect(await statusOf(joe, joe.aor, { event }), event).to.equal(403);
    expect(server.counters.get("presence.over_share")).to.equal(4);
    expect(await statusOf(ann, others[3]!)).to.equal(200);
    expect((await world.time.until(joe.resubscribe(dialogs[0]!))).status, "a refresh").to.equal(200);

    expect((await world.time.until(joe.resubscribe(dialogs[0]!, 0))).status).to.equal(200);
    await world.time.advance(1000);
    expect(await statusOf(joe, others[3]!), "one has ended").to.equal(200);
    expect(await statusOf(joe, others[0]!)).to.equal(403);
  });

  it("counts what a user had before the server was started again", async () => {
    const world = new PresenceWorld({ bounds: { subscriptionsPerUser: 1 } });
    const before = world.server("one");
    const alice = parseAor("sip:alice@example.com");
    const { dialog } = await world.time.until(world.phone("joe", before).subscribe(alice));
    await world.time.until(before.presence.stop());
    world.kill(before);
    const after = world.server("one", before.storage);
    const joe = world.phone("joe", after);
    expect((await world.time.until(joe.subscribe(alice))).status).to.equal(403);
    expect((await world.time.until(joe.resubscribe(dialog, 0))).status).to.equal(200);
    await world.time.advance(60_000);
    expect((await world.time.until(joe.subscribe(alice))).status).to.equal(200);
  });

  it("lets no user have all members of lists", async () => {
    const world = new PresenceWorld({ bounds: { listMembersPerUser: 3 } });
    const server = world.server("one");
    const [joe, ann] = [world.phone("joe", server), world.phone("ann", server)];
    const members = ["alice", "bob"].map((name) => parseAor(`sip:${name}@example.com`));
    for (const owner of [joe.aor, ann.aor])
      for (const at of [1, 2]) {
        const uri = parseAor(owner.replace("@", `-list${at}@`));
        keepList(server.storage, { uri, owner, members });
      }
    const subscribe = async (phone: typeof joe, at: number) => {
      const headers = [["Supported", "eventlist"]] as const;
      const uri = parseAor(phone.aor.replace("@", `-list${at}@`));
      return (await world.time.until(phone.subscribe(uri, { headers }))).status;
    };
    expect([await subscribe(joe, 1), await subscribe(joe, 2)]).to.deep.equal([200, 403]);
    expect([await subscribe(ann, 1), await subscribe(ann, 2)]).to.deep.equal([200, 403]);
    expect(server.counters.get("presence.over_share")).to.equal(2);
  });

  it("takes what a client says that forgets its publications at each start, and keeps a bounded number of them", async () => {
    const { world, alice, server } = alone();
    const { publicationsPerUser: bound } = limits.presence;
    for (let count = 0; count < 2 * bound; count += 1)
      expect((await world.time.until(alice.publish(`device ${count}`, { initial: true }))).status).to.equal(200);
    expect(server.presence.status().publications).to.equal(bound);
  });
});
