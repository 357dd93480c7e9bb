import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { createRequest } from "../../../node/sip/message/build.ts";
import { keepList } from "../../helpers/kept-lists.ts";
import type { Phone } from "../../helpers/phone.ts";
import type { ToldList } from "../../helpers/rlmi.ts";
import { readRlmi } from "../../helpers/rlmi.ts";
import type { SimulatedServer } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const user = (name: string) => `sip:${name}@example.com` as Aor;
const FRIENDS = user("joe-friends");
const SUPPORTED = { headers: [["Supported", "eventlist"]] } as const;

/** Joe on server one has a list of friends. */
function joeHasFriends(...members: string[]): {
  domain: SimulatedDomain;
  one: SimulatedServer;
  two: SimulatedServer;
  joe: Phone;
} {
  const domain = new SimulatedDomain();
  const [one, two] = [domain.server("one"), domain.server("two")];
  keepList(one.storage, { uri: FRIENDS, owner: user("joe"), members: members.map(user) });
  return { domain, one, two, joe: domain.phone("joe", one) };
}

const told = (phone: Phone): ToldList[] =>
  phone
    .notifies("presence")
    .filter(({ body }) => body.length > 0)
    .map(readRlmi);

describe("a list of buddies (RFC 4662)", () => {
  it("is one subscription for the watcher, and tells of all in full, then of each who changes", async () => {
    const { domain, two, joe } = joeHasFriends("alice", "bob", "carol");
    const [alice, bob] = [domain.phone("alice", two), domain.phone("bob", two)];
    await domain.time.until(alice.publish("at work"));
    const answer = await domain.time.until(joe.subscribe(FRIENDS, SUPPORTED));
    expect([answer.status, answer.headers.get("Require")]).to.deep.equal([200, "eventlist"]);
    await domain.time.advance(600);
    const nowhere = "pending closed";
    expect(told(joe)).to.deep.equal([
      { uri: FRIENDS, version: 0, full: true, members: { alice: "active open at work", bob: nowhere, carol: nowhere } },
    ]);
    await domain.time.until(bob.publish("at home"));
    await domain.time.advance(100);
    await domain.time.until(alice.publish("at lunch"));
    await domain.time.advance(100);
    expect(told(joe).slice(1)).to.deep.equal([
      { uri: FRIENDS, version: 1, full: false, members: { bob: "active open at home" } },
      { uri: FRIENDS, version: 2, full: false, members: { alice: "active open at lunch" } },
    ]);
    expect(joe.notifies("presence").map(({ headers }) => headers.get("Require"))).to.deep.equal(
      Array(3).fill("eventlist"),
    );
  });

  it("is refused with 413 where the lists on it have more users in all than one list may", async () => {
    const { domain, one, joe } = joeHasFriends("left", "right");
    const half = limits.presence.lists.members / 2;
    const put = (name: string, count: number) =>
      keepList(one.storage, {
        uri: user(name),
        owner: joe.aor,
        members: Array.from({ length: count }, (_, at) => user(`${name}-${at}`)),
      });
    put("left", half);
    put("right", half);
    const statusOf = async () => (await domain.time.until(joe.subscribe(FRIENDS, SUPPORTED))).status;
    expect(await statusOf()).to.equal(200);
    put("right", half + 1);
    expect(await statusOf()).to.equal(413);
  });

  it("takes nothing but subscriptions: a message to it gets 405 and is not held for somebody who can never come", async () => {
    const { domain, one } = joeHasFriends("alice");
    const joe = domain.device("joe", one);
    for (const method of ["MESSAGE", "INVITE", "OPTIONS", "REFER", "X-NEW"]) {
      const addresses = { uri: FRIENDS, from: `<${joe.aor}>;tag=j`, to: `<${FRIENDS}>` };
      const { status, reason, headers } = await joe.send(createRequest({ method, ...addresses }));
      expect([status, reason, headers.get("Allow")], method).to.deep.equal([
        ...[405, "A List Of Users Can Only Be Subscribed To", "SUBSCRIBE"],
      ]);
    }
    expect(one.held.status.messages).to.equal(0);
  });

  it("shares the view of a member with everybody else on the server: one back-end subscription", async () => {
    const { domain, one, two, joe } = joeHasFriends("alice");
    const [ann, alice] = [domain.phone("ann", one), domain.phone("alice", two)];
    await domain.time.until(alice.publish("hello"));
    await domain.time.until(ann.subscribe(alice.aor));
    await domain.time.until(joe.subscribe(FRIENDS, SUPPORTED));
    await domain.time.advance(100);
    expect(told(joe)[0]?.members).to.deep.equal({ alice: "active open hello" });
    expect(two.presence.status()).to.include({ peerSubscriptions: 1 });
    expect(one.counters.get("presence.backend_subscribes")).to.equal(1);
  });

  it("follows members who move, without a word of closed", async () => {
    const { domain, two, joe } = joeHasFriends("alice");
    await domain.time.until(domain.phone("alice", two).publish("on two"));
    await domain.time.until(joe.subscribe(FRIENDS, SUPPORTED));
    await domain.time.advance(100);
    await domain.time.until(domain.phone("alice", domain.server("three")).publish("on three"));
    await domain.time.advance(1000);
    expect(told(joe).map(({ members }) => members["alice"])).to.deep.equal([
      "active open on two",
      "active open on three",
    ]);
  });

  it("goes on after its server was killed and started, in the same dialog, and says nothing false", async () => {
    const { domain, one, two, joe } = joeHasFriends("alice", "bob");
    const alice = domain.phone("alice", two);
    await domain.time.until(alice.publish("on two"));
    const { dialog } = await domain.time.until(joe.subscribe(FRIENDS, SUPPORTED));
    await domain.time.advance(600);
    domain.kill(one);
    await domain.time.advance(5000);
    domain.restart(one);
    await domain.time.advance(600);
    const nowhere = "pending closed";
    const before = { version: 0, full: true, members: { alice: "active open on two", bob: nowhere } };
    const [first, again, ...others] = told(joe);
    expect(first).to.deep.include(before);
    expect(again, "who is nowhere keeps nobody waiting, and what was seen").to.deep.include({
      ...{ full: false, members: { alice: "active open on two" } },
    });
    expect(others).to.deep.equal([]);
    await domain.time.advance(25_000);
    await domain.time.until(alice.publish("still on two"));
    await domain.time.advance(1000);
    const version = again!.version;
    expect(told(joe).slice(2)).to.deep.equal([
      { uri: FRIENDS, version: version + 1, full: false, members: { bob: nowhere } },
      { uri: FRIENDS, version: version + 2, full: false, members: { alice: "active open still on two" } },
    ]);
    expect((await domain.time.until(joe.resubscribe(dialog))).status).to.equal(200);
  });

  it("tells all at a refresh soon after its server was started, also of whom nothing is known yet", async () => {
    const { domain, one, two, joe } = joeHasFriends("alice", "bob");
    await domain.time.until(domain.phone("alice", two).publish("on two"));
    const { dialog } = await domain.time.until(joe.subscribe(FRIENDS, SUPPORTED));
    await domain.time.advance(600);
    domain.kill(one);
    domain.kill(two);
    domain.restart(one);
    await domain.time.advance(3000);
    expect(told(joe), "nothing is known").to.have.length(1);
    await domain.time.until(joe.resubscribe(dialog));
    await domain.time.advance(20);
    expect(told(joe).slice(1)).to.have.length(1);
    expect(told(joe)[1]).to.deep.include({ full: true, members: { alice: "", bob: "" } });
    domain.restart(two);
    await domain.time.advance(15_000);
    expect(told(joe)[2]).to.deep.include({ full: false, members: { alice: "active open on two" } });
  });

  it("leaves nothing behind when it ends", async () => {
    const { domain, one, two, joe } = joeHasFriends("alice", "bob");
    await domain.time.until(domain.phone("alice", two).publish("hello"));
    const { dialog } = await domain.time.until(joe.subscribe(FRIENDS, SUPPORTED));
    await domain.time.advance(600);
    expect(one.presence.status()).to.deep.include({ views: { active: 1, held: 1 } });
    await domain.time.until(joe.resubscribe(dialog, 0));
    await domain.time.advance(600);
    expect(one.presence.status()).to.deep.include({ watchers: 0, views: {} });
    expect(two.presence.status()).to.include({ peerSubscriptions: 0 });
    expect(one.locator.watches).to.equal(0);
    expect(joe.notifies("presence").at(-1)?.headers.get("Subscription-State")).to.equal("terminated;reason=timeout");
  });

  it("takes lists on it apart", async () => {
    const { domain, one, joe } = joeHasFriends("team", "bob");
    keepList(one.storage, { uri: user("team"), owner: user("ann"), members: [user("alice"), user("bob"), FRIENDS] });
    await domain.time.until(joe.subscribe(FRIENDS, SUPPORTED));
    await domain.time.advance(600);
    expect(Object.keys(told(joe)[0]!.members)).to.deep.equal(["alice", "bob"]);
  });

  it("is what the operator made of it meanwhile, from the next refresh on; over when it is no more", async () => {
    const { domain, one, joe } = joeHasFriends("alice", "bob");
    const { dialog } = await domain.time.until(joe.subscribe(FRIENDS, SUPPORTED));
    await domain.time.advance(600);
    keepList(one.storage, { uri: FRIENDS, owner: joe.aor, members: [user("bob"), user("carol")] });
    await domain.time.until(joe.resubscribe(dialog));
    await domain.time.advance(1000);
    const nowhere = "pending closed";
    expect(told(joe).at(-1)).to.deep.include({ members: { carol: nowhere } });
    expect(told(joe).find(({ version }) => version === 1)).to.deep.include({
      full: true,
      members: { bob: nowhere, carol: "" },
    });
    one.storage.lists.put({ uri: FRIENDS, version: 9 });
    await domain.time.until(joe.resubscribe(dialog));
    await domain.time.advance(100);
    expect(joe.notifies("presence").at(-1)?.headers.get("Subscription-State")).to.equal("terminated;reason=noresource");
    expect(one.presence.status()).to.deep.include({ views: {} });
  });

  it("is not for a client that does not understand lists, nor for another user", async () => {
    const { domain, one, joe } = joeHasFriends("alice");
    const answer = await domain.time.until(joe.subscribe(FRIENDS));
    expect([answer.status, answer.headers.get("Require")]).to.deep.equal([421, "eventlist"]);
    expect((await domain.time.until(domain.phone("ann", one).subscribe(FRIENDS, SUPPORTED))).status).to.equal(403);
  });

  it("shows its owner among the watchers of each member", async () => {
    const { domain, two, joe } = joeHasFriends("alice");
    const alice = domain.phone("alice", two);
    await domain.time.until(alice.publish("hello"));
    await domain.time.until(joe.subscribe(FRIENDS, SUPPORTED));
    await domain.time.until(alice.subscribe(alice.aor, { event: "presence.winfo" }));
    await domain.time.advance(600);
    const said = alice.notifies("presence.winfo").map(({ body }) => Buffer.from(body).toString());
    expect(said.join("")).to.contain('status="active"').and.contain(joe.aor);
  });
});

describe("a list that the SUBSCRIBE brings (RFC 5367)", () => {
  const headers = [
    ["Require", "recipient-list-subscribe"],
    ["Supported", "eventlist"],
    ["Content-Type", "application/resource-lists+xml"],
    ["Content-Disposition", "recipient-list"],
  ] as const;
  const list = (...names: string[]) =>
    `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>${names.map((name) => `<entry uri="${user(name)}"/>`).join("")}</list></resource-lists>`;

  it("is watched like a stored one, over a restart too", async () => {
    const { domain, one, two, joe } = joeHasFriends();
    await domain.time.until(domain.phone("alice", two).publish("hello"));
    const answer = await domain.time.until(joe.subscribe(user("rls"), { headers, body: list("alice", "bob") }));
    expect(answer.status).to.equal(200);
    await domain.time.advance(600);
    const members = { alice: "active open hello", bob: "pending closed" };
    expect(told(joe)[0]).to.deep.include({ full: true, members });
    domain.kill(one);
    domain.restart(one);
    await domain.time.advance(25_000);
    expect(
      told(joe)
        .slice(1)
        .map(({ members: news }) => news),
    ).to.deep.equal([{ alice: "active open hello" }, { bob: "pending closed" }]);
  });

  it("is refused when it is too long, is none, is of another kind, or is encoded", async () => {
    const { domain, joe } = joeHasFriends();
    const ask = (body: string, type = "application/resource-lists+xml") => {
      const changed = headers.map(([name, value]) => [name, name === "Content-Type" ? type : value] as const);
      return domain.time.until(joe.subscribe(user("rls"), { headers: changed, body }));
    };
    const many = Array.from({ length: limits.presence.lists.members + 1 }, (_, index) => `u${index}`);
    expect((await ask(list(...many))).status).to.equal(413);
    expect((await ask("<list/>")).status).to.equal(400);
    expect((await ask("")).status).to.equal(400);
    expect((await ask("alice", "text/plain")).status).to.equal(415);
    const encoded = [...headers, ["Content-Encoding", "gzip"] as const];
    const answer = await domain.time.until(joe.subscribe(user("rls"), { headers: encoded, body: list("alice") }));
    expect([answer.status, answer.headers.get("Accept-Encoding")]).to.deep.equal([415, "identity"]);
  });

  it("is refused when it needs what is not known here", async () => {
    const { domain, joe } = joeHasFriends();
    const answer = await domain.time.until(joe.subscribe(user("alice"), { headers: [["Require", "telepathy"]] }));
    expect([answer.status, answer.headers.get("Unsupported")]).to.deep.equal([420, "telepathy"]);
  });
});
