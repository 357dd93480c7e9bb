import { expect } from "chai";
import { formatBallot, parseBallot } from "../../../dht-schema/ballot.ts";
import type { Ballot } from "../../../dht-schema/ballot.ts";
import { AORTA_EPOCH } from "../../../node/federation/aorta-headers.ts";
import { createRequest } from "../../../node/sip/message/build.ts";
import type { SipRequest, SipResponse } from "../../../node/sip/message/message.ts";
import type { RegisteringPhone as Phone, TestServer } from "./presence-world.ts";
import { PresenceWorld } from "./presence-world.ts";

/** Joe on server one watches alice on server two, and sees her. */
async function joeWatchesAlice(): Promise<{
  world: PresenceWorld;
  one: TestServer;
  two: TestServer;
  three: TestServer;
  joe: Phone;
  alice: Phone;
  /** Server two sends its first NOTIFY once more, with another state and CSeq. */
  again: (state: string, cseq: number) => Promise<SipResponse>;
}> {
  const world = new PresenceWorld();
  const [one, two, three] = [world.server("one"), world.server("two"), world.server("three")];
  const [joe, alice] = [world.phone("joe", one), world.phone("alice", two)];
  await world.time.until(alice.publish("on two"));
  await world.time.until(joe.subscribe(alice.aor));
  await world.time.advance(20);
  expect(joe.news()).to.deep.equal([{ state: "active", basic: "open", note: "on two" }]);
  const { uri, headers, body } = world.crossed("NOTIFY")[0] as SipRequest;
  const again = (state: string, cseq: number) => {
    const changed = headers.clone().set("Subscription-State", state).set("CSeq", `${cseq} NOTIFY`).delete("Via");
    return two.stack.send(
      { kind: "request", method: "NOTIFY", uri, headers: changed, body },
      { transport: "MESH", server: one.locator.self },
    );
  };
  return { world, one, two, three, joe, alice, again };
}

const epochOf = (request: SipRequest | undefined) => parseBallot(request?.headers.get(AORTA_EPOCH) ?? "") as Ballot;
const endOf = (request: SipRequest) => request.headers.get("Subscription-State");

describe("a watched user who moves", () => {
  it("is followed without a gap: the watcher sees the new state, never closed, and does not subscribe again", async () => {
    const { world, two, three, joe, alice } = await joeWatchesAlice();
    const moved = world.phone("alice", three);
    await world.time.until(moved.publish("on three"));
    await world.time.advance(2000);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "open", note: "on three" }]);

    const ends = world.crossed("NOTIFY").filter((request) => endOf(request) === "terminated;reason=deactivated");
    expect(ends).to.have.length(1);
    expect(epochOf(ends[0])).to.deep.include({ member: two.locator.number });
    expect(two.presence.status()).to.deep.include({ publications: 0, peerSubscriptions: 0 });
    expect(three.presence.status()).to.deep.include({ publications: 1, peerSubscriptions: 1 });

    // Server two tells nothing any more, whatever alice's old device sends there without claiming her.
    await world.time.until(alice.publish(undefined));
    await world.time.advance(20);
    expect(joe.news()).to.deep.equal([]);
  });

  it("is followed when only a registration moves, which shows nothing until the contact is stored", async () => {
    const { world, three, joe, alice } = await joeWatchesAlice();
    const moved = world.phone("alice", three);
    await world.time.until(three.locator.claim(alice.aor, { mode: "take-over" }));
    // The registrar is slow: the subscription of server one is there before the contact.
    await world.time.advance(300);
    expect(three.presence.status()).to.deep.include({ peerSubscriptions: 1 });
    expect(joe.news()).to.deep.equal([]);
    three.contacts.set(alice.aor, [{ uri: moved.client.contact, flow: moved.client.flow }]);
    await world.time.advance(20);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "open", note: "" }]);
  });

  it("is no news to her watchers when she looks the same as before", async () => {
    const world = new PresenceWorld();
    const [one, two, three] = [world.server("one"), world.server("two"), world.server("three")];
    const [joe, alice] = [world.phone("joe", one), world.phone("alice", two)];
    await world.time.until(alice.register());
    await world.time.until(joe.subscribe(alice.aor));
    await world.time.advance(20);
    expect(joe.news()).to.have.length(1);
    world.directory.move(alice.aor, three.locator);
    three.contacts.set(alice.aor, two.contacts.contactsOf(alice.aor));
    await world.time.advance(2000);
    expect(three.presence.status()).to.include({ peerSubscriptions: 1 });
    expect(joe.news()).to.deep.equal([]);
  });

  it("is followed to the watcher's own server, and away from it", async () => {
    const { world, one, two, joe } = await joeWatchesAlice();
    const here = world.phone("alice", one);
    await world.time.until(here.publish("on one"));
    await world.time.advance(200);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "open", note: "on one" }]);
    expect(one.presence.status().views).to.deep.equal({ here: 1 });
    expect(two.presence.status()).to.include({ peerSubscriptions: 0 });

    const away = world.phone("alice", two);
    await world.time.until(away.publish("on two again"));
    await world.time.advance(200);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "open", note: "on two again" }]);
    expect(one.presence.status().views).to.deep.equal({ active: 1 });
  });

  it("is followed by many moves in a row, and the watcher ends up with the last", async () => {
    const { world, one, two, three, joe, alice } = await joeWatchesAlice();
    const phones = [one, two, three].map((server) => world.phone("alice", server));
    for (let round = 0; round < 30; round += 1) {
      await world.time.until(phones[round % 3]!.publish(`round ${round}`, { initial: true }));
      await world.time.advance(round % 7);
    }
    // Beyond the first few, changes are told one in five seconds.
    await world.time.advance(6000);
    const news = joe.news();
    expect(news.at(-1)).to.deep.equal({ state: "active", basic: "open", note: "round 29" });
    expect(news.filter(({ basic, state }) => basic !== "open" || state !== "active")).to.deep.equal([]);
    const rounds = news.map(({ note }) => Number(note.split(" ")[1]));
    expect(rounds).to.deep.equal(rounds.toSorted((a, b) => a - b));
    expect(world.directory.ownerOf(alice.aor)?.owner).to.equal(three.locator);
  });

  it("is not stolen back by an old device: its refresh gets 412, and what it then publishes anew by itself 403 (RFC 3903 §4.4)", async () => {
    const { world, two, three, joe, alice } = await joeWatchesAlice();
    const statusOf = async (answer: Promise<SipResponse>) => (await world.time.until(answer)).status;
    const owner = () => world.directory.ownerOf(alice.aor)?.owner;
    const moved = world.phone("alice", three);
    expect(await statusOf(moved.publish("on three"))).to.equal(200);
    expect(await statusOf(alice.publish("still on two"))).to.equal(412);
    expect(await statusOf(alice.publish(undefined))).to.equal(412);
    for (let minutes = 0; minutes < 180; minutes += 50) {
      expect(await statusOf(alice.publish("by itself", { initial: true })), `${minutes} min later`).to.equal(403);
      await world.time.advance(50 * 60_000);
      expect(await statusOf(moved.publish(undefined))).to.equal(200);
    }
    expect(owner()).to.equal(three.locator);
    // Another device, or the same one when it has registered: a person has come to it.
    expect(await statusOf(world.phone("alice", two).publish("a new one on two"))).to.equal(200);
    expect(owner()).to.equal(two.locator);
    expect(await statusOf(alice.publish("welcome again", { initial: true }))).to.equal(200);
    await world.time.until(joe.subscribe(alice.aor));
    await world.time.advance(200);
    expect(joe.news().at(-1)?.note).to.contain("welcome again");
  });

  it("may be brought by a device that was told 412 while nobody had her: it was not left behind", async () => {
    const { world, two, three, alice } = await joeWatchesAlice();
    await world.time.until(alice.publish(undefined, { expires: 0 }));
    await world.time.advance(10_000);
    expect(world.directory.ownerOf(alice.aor)).to.equal(undefined);
    expect((await world.time.until(alice.publish("on two", { ifMatch: "invented" }))).status).to.equal(412);
    await world.time.until(world.phone("alice", three).publish("on three"));
    expect((await world.time.until(alice.publish("on two", { initial: true }))).status).to.equal(200);
    expect(world.directory.ownerOf(alice.aor)?.owner).to.equal(two.locator);
  });

  it("is not looked for in vain: a refresh gets 503 while it cannot be known where she is", async () => {
    const { world, two, three, alice } = await joeWatchesAlice();
    await world.time.until(world.phone("alice", three).publish("on three"));
    two.locator.cutOff();
    const answer = await world.time.until(alice.publish(undefined));
    expect([answer.status, answer.headers.get("Retry-After")]).to.deep.equal([503, "2"]);
    two.locator.reconnect();
    expect((await world.time.until(alice.publish(undefined))).status).to.equal(412);
    expect((await world.time.until(alice.publish("by itself", { initial: true }))).status).to.equal(403);
  });

  it("may be had by an old device where nobody has her any more", async () => {
    const { world, two, three, alice } = await joeWatchesAlice();
    const moved = world.phone("alice", three);
    await world.time.until(moved.publish("on three"));
    expect((await world.time.until(alice.publish(undefined))).status).to.equal(412);
    await world.time.until(moved.publish(undefined, { expires: 0 }));
    await world.time.advance(10_000);
    expect((await world.time.until(alice.publish("on two", { initial: true }))).status).to.equal(200);
    expect(world.directory.ownerOf(alice.aor)?.owner).to.equal(two.locator);
  });

  for (const policy of ["redirect", "reject"] as const)
    it(`is not brought anywhere by a PUBLISH where no REGISTER would: ${policy}`, async () => {
      const world = new PresenceWorld({ policy });
      const [one, two] = [world.server("one"), world.server("two")];
      const alice = world.phone("alice", one);
      expect((await world.time.until(alice.publish("on one"))).status).to.equal(200);
      expect((await world.time.until(world.phone("alice", two).publish("on two"))).status).to.equal(403);
      expect(world.directory.ownerOf(alice.aor)?.owner).to.equal(one.locator);
    });
});

describe("a watched user whose server goes on under a higher epoch", () => {
  it("keeps the publications: watchers here and elsewhere see no change, and the next one at once", async () => {
    const { world, two, joe, alice } = await joeWatchesAlice();
    const zeke = world.phone("zeke", two);
    await world.time.until(zeke.subscribe(alice.aor));
    await world.time.advance(20);
    zeke.news();
    world.directory.raise(alice.aor);
    await world.time.advance(1000);
    expect(joe.news().filter(({ note }) => note !== "on two")).to.deep.equal([]);
    expect(zeke.news().filter(({ note }) => note !== "on two")).to.deep.equal([]);
    // With the entity-tag of before: the server still has the publication.
    expect((await world.time.until(alice.publish("still on two"))).status).to.equal(200);
    await world.time.advance(20);
    const now = { state: "active", basic: "open", note: "still on two" };
    expect([joe.news(), zeke.news()]).to.deep.equal([[now], [now]]);
    expect(epochOf(world.crossed("NOTIFY").at(-1))).to.deep.equal({ version: 1, counter: 2, member: 2 });
  });
});

describe("the epoch that crosses servers", () => {
  it("is on every SUBSCRIBE and NOTIFY between them", async () => {
    const { world } = await joeWatchesAlice();
    for (const request of [...world.crossed("SUBSCRIBE"), ...world.crossed("NOTIFY")])
      expect(epochOf(request)).to.deep.equal({ version: 1, counter: 1, member: 2 });
  });

  it("makes a stale owner's NOTIFY refused, with 481 and the newest epoch", async () => {
    const { world, one, three, joe, alice, again } = await joeWatchesAlice();
    const newer = { version: 1, counter: 9, member: three.locator.number };
    one.locator.observeEpoch(alice.aor, newer);
    const { status, headers } = await world.time.until(again("active;expires=60", 8));
    expect([status, headers.get(AORTA_EPOCH)]).to.deep.equal([481, formatBallot(newer)]);
    expect(joe.news()).to.deep.equal([]);
  });

  it("lets the last word of a stale owner be accepted, which shows nothing", async () => {
    const { world, one, three, joe, alice, again } = await joeWatchesAlice();
    one.locator.observeEpoch(alice.aor, { version: 1, counter: 9, member: three.locator.number });
    expect((await world.time.until(again("terminated;reason=deactivated", 8))).status).to.equal(200);
    expect(one.presence.status().views).to.deep.equal({ moving: 1 });
    expect(joe.news()).to.deep.equal([]);
  });

  it("makes the subscriber look again when a NOTIFY is refused as stale", async () => {
    const { world, one, two, three, joe, alice } = await joeWatchesAlice();
    one.locator.observeEpoch(alice.aor, { version: 1, counter: 9, member: three.locator.number });
    await world.time.until(alice.publish("stale"));
    await world.time.advance(20);
    expect(joe.news()).to.deep.equal([]);
    expect(one.counters.get("presence.notify_stale")).to.equal(1);
    expect(one.presence.status().views).to.deep.equal({ moving: 1 });
    expect(two.presence.status()).to.include({ peerSubscriptions: 0 });
  });

  it("silences an owner that hears of a newer one, even if its own lease seems to hold", async () => {
    const { world, one, two, three, alice } = await joeWatchesAlice();
    two.locator.observeEpoch(alice.aor, { version: 1, counter: 9, member: three.locator.number });
    const before = world.crossed("NOTIFY").length;
    const answer = await world.time.until(alice.publish("spoken under an epoch that is over"));
    await world.time.advance(20);
    expect(answer.status).to.equal(412);
    expect(world.crossed("NOTIFY").slice(before).map(endOf)).to.deep.equal(["terminated;reason=deactivated"]);
    expect(one.counters.get("presence.notify_stale")).to.equal(0);
  });

  it("is looked at before each NOTIFY: a state that waited for its turn is not told once the ownership is gone", async () => {
    const { world, two, three, joe, alice } = await joeWatchesAlice();
    const before = world.crossed("NOTIFY").length;
    // Both arrive in the same millisecond: the second state waits for the answer to the NOTIFY of the first.
    const published = Promise.all([alice.publish("told"), world.phone("alice", two).publish("waits")]);
    await world.time.until(published);
    two.locator.observeEpoch(alice.aor, { version: 1, counter: 9, member: three.locator.number });
    await world.time.advance(20);
    const states = world.crossed("NOTIFY").slice(before).map(endOf);
    expect(states[0]).to.match(/^active/);
    expect(states.slice(1)).to.deep.equal(["terminated;reason=deactivated"]);
    expect(joe.news().map(({ note }) => note)).to.deep.equal(["told"]);
  });

  it("lets a server that is asked for a user it has handed over say where the user went", async () => {
    const { world, one, two, three, joe } = await joeWatchesAlice();
    const bob = world.phone("bob", two);
    await world.time.until(bob.publish("on two"));
    // The directory's answer to server one is out of date: it still names server two.
    await world.time.until(world.phone("bob", three).publish("on three"));
    const { status, headers } = await world.time.until(
      one.stack.send(
        createRequest({
          method: "SUBSCRIBE",
          uri: bob.aor,
          from: `<${joe.aor}>;tag=x`,
          to: `<${bob.aor}>`,
          headers: [
            ["Event", "presence"],
            ["Contact", `<${joe.aor}>`],
            ["P-Asserted-Identity", `<${joe.aor}>`],
            [AORTA_EPOCH, "1.2.2"],
          ],
        }),
        { transport: "MESH", server: two.locator.self },
      ),
    );
    expect([status, headers.get("Aorta-Owner"), headers.get(AORTA_EPOCH)]).to.deep.equal([302, "three", "1.3.3"]);
    expect(two.presence.status()).to.include({ peerSubscriptions: 1 });
  });

  it("lets the subscriber follow the forwarding note of a server that the user has just left", async () => {
    const { world, one, two, three, joe } = await joeWatchesAlice();
    const bob = world.phone("bob", two);
    await world.time.until(bob.publish("on two"));
    // Server one learns that bob is on two, and then nothing more; bob leaves while its SUBSCRIBE is on the way.
    const subscribed = joe.subscribe(bob.aor);
    await world.time.advance(2);
    one.locator.cutOff();
    await world.time.advance(0.5);
    world.directory.move(bob.aor, three.locator);
    three.contacts.set(bob.aor, [{ uri: bob.client.contact, flow: bob.client.flow }]);
    await world.time.until(subscribed);
    await world.time.advance(20);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "open", note: "" }]);
    expect(three.presence.status()).to.include({ peerSubscriptions: 1 });
  });
});
