import { expect } from "chai";
import type { SipResponse } from "../../../node/sip/message/message.ts";
import type { Dialog } from "../../helpers/phone.ts";
import type { RegisteringPhone as Phone } from "./presence-world.ts";
import { PresenceWorld } from "./presence-world.ts";

/** Joe and alice are on one server; he watches her, and has seen her. */
async function joeWatchesAlice(
  headers: readonly (readonly [string, string])[] = [],
): Promise<{ world: PresenceWorld; joe: Phone; alice: Phone; dialog: Dialog; refresh: Refresh }> {
  const world = new PresenceWorld();
  const one = world.server("one");
  const [joe, alice] = [world.phone("joe", one), world.phone("alice", one)];
  await world.time.until(alice.publish("hello"));
  const { dialog } = await world.time.until(joe.subscribe(alice.aor, { headers }));
  await world.time.advance(20);
  expect(joe.notifies("presence")).to.have.length(1);
  const refresh: Refresh = (tag, expires = 3600) =>
    world.time.until(joe.resubscribe(dialog, expires, [["Suppress-If-Match", tag]]));
  return { world, joe, alice, dialog, refresh };
}

type Refresh = (tag: string, expires?: number) => Promise<SipResponse>;

const tagOf = (phone: Phone) => phone.notifies("presence").at(-1)?.headers.get("SIP-ETag") ?? "";

describe("conditional notification (RFC 5839)", () => {
  it("gives each state a tag, and answers the refresh of who has it with 204 and no NOTIFY", async () => {
    const { world, joe, alice, refresh } = await joeWatchesAlice();
    const tag = tagOf(joe);
    expect(tag).to.match(/^[\w-]{22}$/);
    const answer = await refresh(tag);
    expect([answer.status, answer.headers.get("Expires")]).to.deep.equal([204, "3600"]);
    await world.time.advance(20);
    expect(joe.notifies("presence")).to.have.length(1);

    await world.time.until(alice.publish("changed"));
    await world.time.advance(20);
    expect(joe.notifies("presence")).to.have.length(2);
    expect(tagOf(joe)).to.not.equal(tag);
    expect((await refresh(tag)).status, "of an older state").to.equal(200);
    await world.time.advance(20);
    expect(joe.notifies("presence")).to.have.length(3);
    expect((await refresh("*")).status).to.equal(204);
    await world.time.until(alice.publish("changed again"));
    await world.time.advance(20);
    expect(joe.news().at(-1)?.note).to.equal("changed again");
  });

  it("lets who has the state end the subscription without a NOTIFY", async () => {
    const { world, joe, dialog, refresh } = await joeWatchesAlice();
    expect((await refresh("*", 0)).status).to.equal(204);
    await world.time.advance(20);
    expect(joe.notifies("presence")).to.have.length(1);
    expect((await world.time.until(joe.resubscribe(dialog))).status).to.equal(481);
  });

  it("leaves the body out of the first NOTIFY to who has the state, which has the same tag on another server", async () => {
    const { world, joe, alice } = await joeWatchesAlice();
    const two = world.phone("joe", world.server("two"));
    await world.time.until(two.subscribe(alice.aor, { headers: [["Suppress-If-Match", tagOf(joe)]] }));
    await world.time.advance(50);
    const [notify] = two.notifies("presence");
    expect([notify?.body.length, notify?.headers.get("SIP-ETag")]).to.deep.equal([0, tagOf(joe)]);
    expect(notify?.headers.get("Subscription-State")).to.match(/^active/);
    // Once told of another state it may have forgotten the first.
    for (const note of ["changed", "hello"]) {
      await world.time.until(alice.publish(note));
      await world.time.advance(50);
      expect(two.news().at(-1)?.note).to.equal(note);
    }
    expect(tagOf(two)).to.equal(tagOf(joe));
  });

  it("is not mistaken by a tag that nobody gave", async () => {
    const { world, joe, refresh } = await joeWatchesAlice();
    expect((await refresh("no-such-tag")).status).to.equal(200);
    await world.time.advance(20);
    expect(joe.notifies("presence").at(-1)?.body.length).to.be.greaterThan(0);
  });
});

describe("the pace of notifications (RFC 3856 §6.10, RFC 6446)", () => {
  it("tells a few changes at once, then one in five seconds, and the last one in the end", async () => {
    const { world, joe, alice } = await joeWatchesAlice();
    for (let change = 0; change < 100; change += 1) {
      await world.time.until(alice.publish(`change ${change}`));
      await world.time.advance(100);
    }
    expect(joe.notifies("presence").length).to.be.within(10, 14);
    await world.time.advance(5000);
    expect(joe.news().at(-1)?.note).to.equal("change 99");
  });

  it("is slower for who asks for that, and says so", async () => {
    const world = new PresenceWorld();
    const one = world.server("one");
    const [joe, alice] = [world.phone("joe", one), world.phone("alice", one)];
    await world.time.until(alice.publish("hello"));
    await world.time.until(joe.subscribe(alice.aor, { event: "presence;max-rate=0.05" }));
    await world.time.advance(20);
    for (const note of ["a", "b", "c"]) await world.time.until(alice.publish(note));
    await world.time.advance(1000);
    expect(joe.news().map(({ note }) => note)).to.deep.equal(["hello"]);
    await world.time.advance(20_000);
    expect(joe.news().map(({ note }) => note)).to.deep.equal(["c"]);
    expect(joe.notifies("presence").at(-1)?.headers.get("Subscription-State")).to.match(/;max-rate=0\.05$/);
  });

  it("keeps the gap that a watcher asks for between any two, also where that is shorter than five seconds", async () => {
    const { world, joe, alice } = await joeWatchesAlice();
    const ann = world.phone("ann", joe.server);
    await world.time.until(ann.subscribe(alice.aor, { event: "presence;max-rate=0.5" }));
    await world.time.advance(20);
    ann.news();
    for (const note of ["a", "b", "c"]) await world.time.until(alice.publish(note));
    await world.time.advance(1900);
    expect(ann.news()).to.deep.equal([]);
    await world.time.advance(100);
    expect(ann.news().map(({ note }) => note)).to.deep.equal(["c"]);
    await world.time.until(alice.publish("d"));
    await world.time.advance(1900);
    expect(ann.news()).to.deep.equal([]);
    await world.time.advance(100);
    expect(ann.news().map(({ note }) => note)).to.deep.equal(["d"]);
  });
});

describe("a subscriber who never answers NOTIFY", () => {
  it("is given up when the transaction is over, with one NOTIFY to it at any time, and is counted", async () => {
    const { world, joe, alice } = await joeWatchesAlice();
    joe.client.state = "frozen";
    const sent = () => joe.server.counters.get("presence.notify_sent");
    const before = sent();
    for (const note of ["a", "b", "c"]) {
      await world.time.until(alice.publish(note));
      await world.time.advance(1000);
    }
    expect(sent() - before).to.equal(1);
    await world.time.advance(32_000);
    expect(joe.server.presence.status()).to.deep.include({ watchers: 0, views: {} });
    expect(joe.server.counters.get("presence.notify_unanswered")).to.equal(1);
    expect([...joe.server.storage.subscriptions.list()]).to.deep.equal([]);
    await world.time.until(alice.publish("d"));
    await world.time.advance(1000);
    expect(sent() - before).to.equal(1);
  });

  it("does not keep others from being told", async () => {
    const { world, joe, alice } = await joeWatchesAlice();
    const ann = world.phone("ann", joe.server);
    await world.time.until(ann.subscribe(alice.aor));
    await world.time.advance(20);
    joe.client.state = "frozen";
    ann.news();
    for (const note of ["a", "b", "c"]) {
      await world.time.until(alice.publish(note));
      await world.time.advance(20);
    }
    expect(ann.news().map(({ note }) => note)).to.deep.equal(["a", "b", "c"]);
  });
});

describe("the times of a subscription (RFC 6665)", () => {
  it("fetches the state once with Expires 0", async () => {
    const { world, joe, alice } = await joeWatchesAlice();
    const answer = await world.time.until(joe.subscribe(alice.aor, { expires: 0 }));
    expect([answer.status, answer.headers.get("Expires")]).to.deep.equal([200, "0"]);
    await world.time.advance(20);
    expect(joe.news().at(-1)).to.deep.equal({ state: "terminated", reason: "timeout", basic: "open", note: "hello" });
    expect([...joe.server.storage.subscriptions.list()]).to.have.length(1);
  });

  it("ends by itself with the last state when it is not refreshed, and is unknown from then on", async () => {
    const { world, joe, alice } = await joeWatchesAlice();
    const { dialog } = await world.time.until(joe.subscribe(alice.aor, { expires: 60 }));
    await world.time.advance(20);
    joe.news();
    await world.time.advance(60_000);
    expect(joe.news()).to.deep.equal([{ state: "terminated", reason: "timeout", basic: "open", note: "hello" }]);
    expect((await world.time.until(joe.resubscribe(dialog))).status).to.equal(481);
  });
});
