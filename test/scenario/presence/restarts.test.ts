import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { limits } from "../../../node/runtime/limits.ts";
import type { Dialog, Phone } from "../../helpers/phone.ts";
import type { SimulatedServer } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const onTwo = { state: "active", basic: "open", note: "on two" };

/** Joe on server one watches alice on server two, and sees her. */
async function joeWatchesAlice(directory?: ConstructorParameters<typeof SimulatedDomain>[0]): Promise<{
  domain: SimulatedDomain;
  one: SimulatedServer;
  two: SimulatedServer;
  joe: Phone;
  alice: Phone;
  dialog: Dialog;
}> {
  const domain = new SimulatedDomain(directory);
  const [one, two] = [domain.server("one"), domain.server("two")];
  const [joe, alice] = [domain.phone("joe", one), domain.phone("alice", two)];
  await domain.time.until(alice.publish("on two"));
  const { dialog } = await domain.time.until(joe.subscribe(alice.aor));
  await domain.time.advance(20);
  expect(joe.news()).to.deep.equal([onTwo]);
  return { domain, one, two, joe, alice, dialog };
}

const notifiesTo = ({ client }: Phone) => client.received.filter(({ method }) => method === "NOTIFY");
const cseqOf = (phone: Phone) => notifiesTo(phone).map(({ headers }) => Number(headers.get("CSeq")?.split(" ")[0]));

describe("a watcher whose server is killed and started again", () => {
  it("goes on in the same dialog: the same tags, a higher CSeq, what is left of the time, and never a false word", async () => {
    const { domain, one, joe, alice, dialog } = await joeWatchesAlice();
    domain.kill(one);
    await domain.time.advance(30_000);
    const again = domain.restart(one);
    await domain.time.advance(100);
    expect(joe.news()).to.deep.equal([onTwo]);
    const [first, last] = [notifiesTo(joe)[0]!, notifiesTo(joe).at(-1)!];
    for (const name of ["From", "To", "Call-ID", "Event"])
      expect(last.headers.get(name)).to.equal(first.headers.get(name));
    expect(cseqOf(joe).at(-1)).to.be.greaterThan(cseqOf(joe)[0]!);
    expect(last.headers.get("Subscription-State")).to.equal("active;expires=3570");

    expect((await domain.time.until(joe.resubscribe(dialog))).status).to.equal(200);
    await domain.time.until(alice.publish("still on two"));
    await domain.time.advance(20);
    expect(joe.news().at(-1)).to.deep.equal({ ...onTwo, note: "still on two" });
    expect(again.presence.status()).to.include({ watchers: 1 });
    expect(again.counters.get("presence.subscriptions_restored")).to.equal(1);
  });

  for (const [how, byMs] of [
    ["ahead", 3 * 3600_000],
    ["back", -3 * 3600_000],
  ] as const) {
    it(`has what is left of the time when the clock was set ${how} before, as contacts and publications have`, async () => {
      const { domain, one, two, joe } = await joeWatchesAlice();
      const dave = domain.device("dave", two);
      await dave.register(3600);
      domain.time.stepWall(byMs);
      await domain.time.advance(10_000);
      for (const server of [one, two]) domain.kill(server);
      await domain.time.advance(20_000);
      const again = [domain.restart(one), domain.restart(two)];
      await domain.time.advance(10_000);
      expect(notifiesTo(joe).at(-1)?.headers.get("Subscription-State")).to.match(/^active;expires=35[67]\d$/);
      expect(again[1]?.presence.status()).to.include({ publications: 1 });
      expect(domain.contactsAt(again[1]!, dave.aor)).to.have.length(1);
      await domain.time.advance(3_600_000);
      expect(domain.contactsAt(again[1]!, dave.aor)).to.deep.equal([]);
      expect(again[1]?.presence.status()).to.include({ publications: 0 });
      expect([...one.storage.subscriptions.list()]).to.deep.equal([]);
    });
  }

  it("sees no closed when the server of the watched user is killed and started with it", async () => {
    const { domain, one, two, joe, alice } = await joeWatchesAlice();
    domain.kill(one);
    domain.kill(two);
    await domain.time.advance(1000);
    domain.restart(one);
    await domain.time.advance(9000);
    domain.restart(two);
    await domain.time.advance(20_000);
    expect(joe.news()).to.deep.equal([onTwo]);
    expect((await domain.time.until(alice.publish(undefined))).status).to.equal(200);
  });

  it("sees no closed when that is the same server", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const [joe, alice] = [domain.phone("joe", one), domain.phone("alice", one)];
    await domain.time.until(alice.publish("on one"));
    await domain.time.until(joe.subscribe(alice.aor));
    await domain.time.advance(20);
    domain.kill(one);
    await domain.time.advance(2000);
    domain.restart(one);
    await domain.time.advance(20_000);
    const seen = { state: "active", basic: "open", note: "on one" };
    expect(joe.news()).to.deep.equal([seen, seen]);
  });

  for (const [where, watches, latencyMs, longMs] of [
    ["that is the same server: however long", "one", 9_000, 22_000],
    ["that is another one: longer than after a death", "two", 5_000, 13_000],
  ] as const) {
    it(`sees no closed while so many users are taken up again, and ${where}`, async () => {
      const domain = new SimulatedDomain({ latencyMs });
      const servers = { one: domain.server("one"), two: domain.server("two") };
      const { one } = servers;
      const [joe, zoe] = [domain.phone("joe", servers[watches]), domain.phone("zoe", one)];
      const others = Array.from({ length: 2 * limits.registrar.reclaims }, (_, i) => domain.device(`other${i}`, one));
      await domain.time.until(Promise.all([zoe.publish("on one"), ...others.map((other) => other.register())]));
      await domain.time.until(joe.subscribe(zoe.aor));
      await domain.time.advance(60_000);
      joe.news();
      domain.kill(one);
      await domain.time.advance(4000);
      const again = domain.restart(one);
      await domain.time.advance(longMs);
      expect(again.locator.owned(zoe.aor), "not yet").to.equal(undefined);
      await domain.time.advance(60_000);
      expect(again.locator.owned(zoe.aor)).to.not.equal(undefined);
      const seen = joe.news();
      expect(seen.length).to.be.at.least(watches === "one" ? 1 : 0);
      for (const each of seen) expect(each).to.deep.equal({ state: "active", basic: "open", note: "on one" });
    });
  }

  it("sees no closed of the last of many users, for whom the link is back before the watcher's server has time to see to them", async () => {
    const domain = new SimulatedDomain({ latencyMs: 3_000 });
    // It has much to do just then: the grace of all is over before it comes to the last.
    domain.network.links.linksOf("one").onUp(() => domain.time.spend(400));
    const [one, two] = [domain.server("one"), domain.server("two")];
    const watchers = ["joe", "joan", "jim"].map((name) => domain.phone(name, one));
    const users = Array.from({ length: 2001 }, (_, i) => domain.device(`user${i}`, two));
    await domain.time.until(Promise.all(users.map((user) => user.register())));
    await domain.time.until(Promise.all(users.map(({ aor }, i) => (watchers[i % 3] as Phone).subscribe(aor))));
    await domain.time.advance(20_000);
    const seen = () => watchers.flatMap((watcher) => watcher.news().map(({ basic }) => basic));
    expect(seen().filter((basic) => basic === "open")).to.have.length(users.length);
    domain.kill(two);
    await domain.time.advance(14_300);
    domain.restart(two);
    await domain.time.advance(40_000);
    expect(seen().filter((basic) => basic !== "open")).to.deep.equal([]);
  });

  it("is told the truth in the end when the watched user does not come back", async () => {
    const { domain, one, two, joe } = await joeWatchesAlice();
    domain.kill(one);
    domain.kill(two);
    domain.restart(one);
    await domain.time.advance(31_000);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "closed", note: "" }]);
  });

  it("learns at once of a user who has moved meanwhile", async () => {
    const { domain, one, joe, alice } = await joeWatchesAlice();
    domain.kill(one);
    const three = domain.server("three");
    await domain.time.until(domain.phone("alice", three).publish("on three"));
    domain.restart(one);
    await domain.time.advance(100);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "open", note: "on three" }]);
    expect(domain.directory.ownerOf(alice.aor)?.owner).to.equal(three.locator);
  });

  it("is still held when the user was nowhere, and is not taken for one who has seen the user", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const joe = domain.phone("joe", one);
    const alice = domain.phone("alice", domain.server("two"));
    await domain.time.until(joe.subscribe(alice.aor));
    await domain.time.advance(600);
    domain.kill(one);
    domain.restart(one);
    await domain.time.advance(30_000);
    await domain.time.until(alice.publish("here I am"));
    await domain.time.advance(100);
    const held = { state: "pending", basic: "closed", note: "" };
    expect(joe.news()).to.deep.equal([held, held, { state: "active", basic: "open", note: "here I am" }]);
  });

  it("is not called back when the subscription ended before: by its time, by the watcher, or because who had a connection stays away", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const [brief, leaver] = [domain.phone("ann", one), domain.phone("ben", one)];
    const browser = domain.phone("cat", one, { transport: "WS" });
    const alice = domain.phone("alice", one);
    await domain.time.until(alice.publish("on one"));
    await domain.time.until(brief.subscribe(alice.aor, { expires: 60 }));
    const { dialog } = await domain.time.until(leaver.subscribe(alice.aor));
    await domain.time.until(browser.subscribe(alice.aor));
    await domain.time.advance(20);
    await domain.time.until(leaver.resubscribe(dialog, 0));
    await domain.time.advance(20);
    domain.kill(one);
    await domain.time.advance(60_000);
    for (const phone of [brief, leaver, browser]) phone.news();
    const again = domain.restart(one);
    await domain.time.advance(30_000);
    expect(again.presence.status()).to.include({ watchers: 1 });
    await domain.time.advance(limits.presence.awayMs);
    for (const phone of [brief, leaver, browser]) expect(phone.news()).to.deep.equal([]);
    expect(again.presence.status()).to.include({ watchers: 0 });
    expect([...one.storage.subscriptions.list()]).to.deep.equal([]);
  });

  it("is not called back when it ended the subscription before the server knew what to say, and that was killed again", async () => {
    const { domain, one, two, joe, dialog } = await joeWatchesAlice();
    domain.kill(two);
    domain.kill(one);
    const again = domain.restart(one);
    expect((await domain.time.until(joe.resubscribe(dialog, 0))).status).to.equal(200);
    await domain.time.advance(20);
    expect(joe.news(), "nothing is known yet").to.deep.equal([]);
    domain.kill(again);
    domain.restart(one);
    domain.restart(two);
    await domain.time.advance(60_000);
    expect(joe.news()).to.deep.equal([]);
  });

  it("goes on without a gap in CSeq when the server stopped in order", async () => {
    const { domain, one, joe, alice } = await joeWatchesAlice();
    await domain.time.until(one.presence.stop());
    domain.kill(one);
    domain.restart(one);
    await domain.time.advance(100);
    await domain.time.until(alice.publish("later"));
    await domain.time.advance(100);
    expect(cseqOf(joe)).to.deep.equal([1, 2, 3]);
  });

  it("goes on with a CSeq above all that were sent, however many were", async () => {
    const { domain, one, joe, alice, dialog } = await joeWatchesAlice();
    for (let round = 0; round < 250; round += 1) await domain.time.until(joe.resubscribe(dialog));
    domain.kill(one);
    domain.restart(one);
    await domain.time.until(alice.publish("later"));
    await domain.time.advance(100);
    const cseqs = cseqOf(joe);
    expect(cseqs.length).to.be.greaterThan(250);
    expect(cseqs).to.deep.equal([...new Set(cseqs)].toSorted((a, b) => a - b));
  });
});

describe("a watcher of a user whose server is stopped in order and started again", () => {
  it("sees no closed for as long as a start may take, and the next change", async () => {
    const { domain, two, joe, alice } = await joeWatchesAlice();
    await domain.stop(two);
    await domain.time.advance(15_000);
    expect(domain.directory.ownerOf(alice.aor)).to.equal(undefined);
    domain.restart(two);
    await domain.time.advance(1000);
    expect(joe.news()).to.deep.equal([]);
    expect((await domain.time.until(alice.publish("still on two"))).status).to.equal(200);
    await domain.time.advance(100);
    expect(joe.news()).to.deep.equal([{ ...onTwo, note: "still on two" }]);
  });

  it("sees no closed though that server says so of few of its users, and to other servers no more than that", async () => {
    const domain = new SimulatedDomain();
    const [one, two] = [domain.server("one"), domain.server("two")];
    const users = Array.from({ length: 100 }, (_, i) => domain.phone(`user${i}`, two));
    await domain.time.until(Promise.all(users.map((user) => user.publish("on two"))));
    const joe = domain.phone("joe", one);
    await domain.time.until(Promise.all(users.map(({ aor }) => joe.subscribe(aor))));
    await domain.time.advance(20);
    joe.news();
    const told = two.counters.get("presence.notify_sent");
    await domain.stop(two);
    expect(two.counters.get("presence.notify_sent") - told).to.be.within(1, 32);
    await domain.time.advance(15_000);
    domain.restart(two);
    await domain.time.advance(5000);
    expect(joe.news()).to.deep.equal([]);
    expect(one.presence.status().views).to.deep.equal({ active: users.length });
  });

  it("sees no closed for as long as its users are taken up again, however long that is", async () => {
    const domain = new SimulatedDomain({ latencyMs: 15_000 });
    const [one, two] = [domain.server("one"), domain.server("two")];
    const [joe, zoe] = [domain.phone("joe", two), domain.phone("zoe", one)];
    const others = Array.from({ length: 3 * limits.registrar.reclaims }, (_, i) => domain.device(`other${i}`, one));
    await domain.time.until(Promise.all([zoe.publish("on one"), ...others.map((other) => other.register())]));
    await domain.time.until(joe.subscribe(zoe.aor));
    await domain.time.advance(60_000);
    joe.news();
    await domain.stop(one);
    await domain.time.advance(4000);
    const again = domain.restart(one);
    await domain.time.advance(50_000);
    expect(again.locator.owned(zoe.aor), "not yet").to.equal(undefined);
    await domain.time.advance(60_000);
    expect(again.locator.owned(zoe.aor)).to.not.equal(undefined);
    for (const each of joe.news()) expect(each).to.deep.equal({ state: "active", basic: "open", note: "on one" });
  });

  it("is told the truth in the end when it is not started again", async () => {
    const { domain, two, joe } = await joeWatchesAlice();
    await domain.stop(two);
    await domain.time.advance(19_000);
    expect(joe.news()).to.deep.equal([]);
    await domain.time.advance(2000);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "closed", note: "" }]);
  });

  it("is not kept waiting for a server that leaves for good", async () => {
    const { domain, two, joe } = await joeWatchesAlice();
    await domain.time.until(two.presence.stop({ forGood: true }));
    domain.directory.expire(two.locator, "released");
    domain.kill(two);
    await domain.time.advance(3000);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "closed", note: "" }]);
  });
});

describe("a watcher of a user whose server was cut off until its leases were over", () => {
  it("sees the user as soon as that server has them again, though the replicas say so before it knows itself", async () => {
    const { domain, two, joe, alice } = await joeWatchesAlice({ ownerLateMs: 10 });
    two.locator.cutOff();
    domain.directory.expire(two.locator);
    await domain.time.advance(15_000);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "closed", note: "" }]);
    two.locator.reconnect();
    for (let waited = 0; two.locator.owned(alice.aor) === undefined && waited < 60_000; waited += 10)
      await domain.time.advance(10);
    await domain.time.advance(500);
    expect(joe.news()).to.deep.equal([onTwo]);
  });
});

describe("publications on two servers that have both lost their user", () => {
  it("are taken up by the server that had the user last, though the other could be first", async () => {
    const { domain, two, joe } = await joeWatchesAlice();
    const three = domain.server("three");
    // Somebody watches on server two, so that it hears where the user is.
    const ann = domain.phone("ann", two);
    await domain.time.until(ann.subscribe("sip:alice@example.com" as Aor));
    await domain.time.advance(800);
    domain.directory.expire(two.locator);
    await domain.time.until(domain.phone("alice", three).publish("on three"));
    await domain.time.advance(100);
    domain.directory.expire(three.locator);
    await domain.time.advance(10_000);
    expect(domain.directory.ownerOf("sip:alice@example.com" as Aor)?.owner).to.equal(three.locator);
    expect(two.storage.publications.list()).to.deep.equal([]);
    expect(joe.news()).to.deep.equal([{ ...onTwo, note: "on three" }]);
    expect(ann.news()).to.deep.equal([onTwo, { ...onTwo, note: "on three" }]);
  });

  it("do not show for an instant what is out of date when the user comes back to the first", async () => {
    const { domain, two, joe, alice } = await joeWatchesAlice();
    const three = domain.server("three");
    domain.directory.expire(two.locator);
    await domain.time.until(domain.phone("alice", three).publish("on three"));
    await domain.time.advance(100);
    expect(two.storage.publications.list(), "at rest").to.have.length(1);
    expect((await domain.time.until(alice.publish("back", { initial: true }))).status).to.equal(200);
    await domain.time.advance(100);
    expect(joe.news()).to.deep.equal([
      { ...onTwo, note: "on three" },
      { ...onTwo, note: "back" },
    ]);
  });
});

describe("a publication whose server is killed and started again", () => {
  it("is there again under its entity-tag, and the device that made it goes on with that", async () => {
    const { domain, two, joe, alice } = await joeWatchesAlice();
    domain.kill(two);
    await domain.time.advance(1000);
    const again = domain.restart(two);
    await domain.time.advance(1000);
    expect(again.presence.status()).to.include({ publications: 1 });
    expect((await domain.time.until(alice.publish(undefined))).status).to.equal(200);
    expect((await domain.time.until(alice.publish("changed"))).status).to.equal(200);
    await domain.time.advance(1000);
    expect(joe.news()).to.deep.equal([{ ...onTwo, note: "changed" }]);
    expect((await domain.time.until(alice.publish(undefined, { expires: 0 }))).status).to.equal(200);
    expect(two.storage.publications.list()).to.deep.equal([]);
  });

  it("is over when the user has moved meanwhile, on disk too, and its device gets 412", async () => {
    const { domain, two, joe, alice } = await joeWatchesAlice();
    domain.kill(two);
    const three = domain.server("three");
    await domain.time.until(domain.phone("alice", three).publish("on three"));
    domain.restart(two);
    await domain.time.advance(5000);
    expect(two.storage.publications.list()).to.deep.equal([]);
    expect((await domain.time.until(alice.publish(undefined))).status).to.equal(412);
    expect(joe.news()).to.deep.equal([{ ...onTwo, note: "on three" }]);
  });

  it("is over when the user moves while it is there", async () => {
    const { domain, two } = await joeWatchesAlice();
    expect(two.storage.publications.list()).to.have.length(1);
    await domain.time.until(domain.phone("alice", domain.server("three")).publish("on three"));
    expect(two.storage.publications.list()).to.deep.equal([]);
  });

  it("is taken up though its device signs off what it has registered elsewhere, or nowhere", async () => {
    const { domain, two, joe, alice } = await joeWatchesAlice();
    domain.directory.expire(two.locator);
    await domain.device("alice", two).register(0);
    await domain.time.advance(10_000);
    expect(two.locator.owned(alice.aor)).to.not.equal(undefined);
    await domain.time.until(alice.publish("still there"));
    await domain.time.advance(20);
    expect(joe.news()).to.deep.equal([{ ...onTwo, note: "still there" }]);
  });

  it("expires when its time is over, whether or not its server was up", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const alice = domain.phone("alice", one);
    await domain.time.until(alice.publish("for a minute", { expires: 60 }));
    domain.kill(one);
    await domain.time.advance(59_000);
    const again = domain.restart(one);
    await domain.time.advance(10);
    expect(again.presence.status()).to.include({ publications: 1 });
    await domain.time.advance(2000);
    expect(again.presence.status()).to.include({ publications: 0 });
    expect(one.storage.publications.list()).to.deep.equal([]);
  });

  it("rests while the directory cannot be reached, and its watchers see no closed", async () => {
    const { domain, two, joe, alice } = await joeWatchesAlice();
    domain.directory.expire(two.locator);
    await domain.time.advance(1500);
    expect(two.locator.owned(alice.aor)).to.not.equal(undefined);
    await domain.time.advance(5000);
    expect(joe.news()).to.deep.equal([]);
    expect((await domain.time.until(alice.publish(undefined))).status).to.equal(200);
  });
});
