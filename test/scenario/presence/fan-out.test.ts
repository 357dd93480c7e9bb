import { expect } from "chai";
import type { SipRequest } from "../../../node/sip/message/message.ts";
import type { RegisteringPhone as Phone } from "./presence-world.ts";
import { PresenceWorld } from "./presence-world.ts";

const WATCHERS = 1000;

describe("many watchers of one user", function () {
  this.timeout(60_000);
  it("cost the mesh one subscription and one NOTIFY a change, and each is told once", async () => {
    const world = new PresenceWorld();
    const [one, two] = [world.server("one"), world.server("two")];
    const alice = world.phone("alice", two);
    const watchers: Phone[] = Array.from({ length: WATCHERS }, (_, index) => world.phone(`watcher${index}`, one));
    await world.time.until(alice.publish("hello"));
    const subscribed = Promise.all(watchers.map((watcher) => watcher.subscribe(alice.aor)));
    await world.time.until(subscribed);
    await world.time.advance(50);
    const hello = [{ state: "active", basic: "open", note: "hello" }];
    for (const watcher of watchers) expect(watcher.news()).to.deep.equal(hello);
    expect(world.crossed("SUBSCRIBE")).to.have.length(1);
    expect(world.crossed("NOTIFY")).to.have.length(1);

    await world.time.until(alice.publish("all of you"));
    await world.time.advance(50);
    const all = [{ state: "active", basic: "open", note: "all of you" }];
    for (const watcher of watchers) expect(watcher.news()).to.deep.equal(all);
    expect(world.crossed("NOTIFY")).to.have.length(2);
    expect(two.presence.status()).to.include({ peerSubscriptions: 1 });
    expect(one.presence.status()).to.deep.include({ watchers: WATCHERS, views: { active: 1 } });
  });

  it("share the subscription until the last has left", async () => {
    const world = new PresenceWorld();
    const [one, two] = [world.server("one"), world.server("two")];
    const [joe, ann, alice] = [world.phone("joe", one), world.phone("ann", one), world.phone("alice", two)];
    await world.time.until(alice.publish("hello"));
    const { dialog: joes } = await world.time.until(joe.subscribe(alice.aor));
    const { dialog: anns } = await world.time.until(ann.subscribe(alice.aor));
    await world.time.until(joe.resubscribe(joes, 0));
    await world.time.until(alice.publish("ann is still there"));
    await world.time.advance(20);
    expect(ann.news().at(-1)?.note).to.equal("ann is still there");
    expect(joe.news().at(-1)?.state).to.equal("terminated");
    await world.time.until(ann.resubscribe(anns, 0));
    await world.time.advance(20);
    expect(two.presence.status()).to.include({ peerSubscriptions: 0 });
    expect(one.locator.watches).to.equal(0);
  });

  it("keep the back-end subscription alive beyond its term by refreshes within the dialog", async () => {
    const world = new PresenceWorld({ times: { backendExpiresSeconds: 600 } });
    const [one, two] = [world.server("one"), world.server("two")];
    const [joe, alice] = [world.phone("joe", one), world.phone("alice", two)];
    await world.time.until(alice.publish("hello", { expires: 7200 }));
    await world.time.until(joe.subscribe(alice.aor, { expires: 7200 }));
    await world.time.advance(3_000_000);
    joe.news();
    expect(world.crossed("SUBSCRIBE").length).to.be.within(6, 12);
    expect(new Set(world.crossed("SUBSCRIBE").map(({ headers }) => headers.get("Call-ID"))).size).to.equal(1);
    await world.time.until(alice.publish("still the same dialog"));
    await world.time.advance(20);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "open", note: "still the same dialog" }]);
  });

  it("are dropped when their clients are gone: a NOTIFY that cannot be delivered ends the subscription", async () => {
    const world = new PresenceWorld();
    const one = world.server("one");
    const [joe, alice] = [world.phone("joe", one), world.phone("alice", one)];
    await world.time.until(alice.publish("hello"));
    await world.time.until(joe.subscribe(alice.aor));
    await world.time.advance(20);
    joe.client.state = "gone";
    await world.time.until(alice.publish("into the void"));
    await world.time.advance(33_000);
    expect(one.presence.status()).to.deep.include({ watchers: 0, views: {} });
  });

  it("end when nobody refreshes: the last NOTIFY says timeout", async () => {
    const world = new PresenceWorld();
    const one = world.server("one");
    const [joe, alice] = [world.phone("joe", one), world.phone("alice", one)];
    await world.time.until(alice.publish("hello"));
    await world.time.until(joe.subscribe(alice.aor, { expires: 60 }));
    await world.time.advance(59_000);
    joe.news();
    await world.time.advance(1_100);
    expect(joe.news()).to.deep.equal([{ state: "terminated", reason: "timeout", basic: "open", note: "hello" }]);
    expect(one.presence.status()).to.deep.include({ watchers: 0, views: {} });
  });
});

/** Alice, who publishes, and so many watchers, all at one server. */
async function watchedBy(count: number) {
  const world = new PresenceWorld();
  const one = world.server("one");
  const alice = world.phone("alice", one);
  const watchers = Array.from({ length: count }, (_, index) => world.phone(`watcher${index}`, one));
  await world.time.until(alice.publish("hello"));
  await world.time.until(Promise.all(watchers.map((watcher) => watcher.subscribe(alice.aor))));
  await world.time.advance(50);
  return { world, one, alice, watchers };
}

describe("a server that stops", () => {
  it("tells other servers to look for its users elsewhere and lets go of its back-end subscriptions, but leaves its clients' dialogs to its next run", async () => {
    const world = new PresenceWorld();
    const [one, two] = [world.server("one"), world.server("two")];
    const [joe, ann, alice, bob] = [
      world.phone("joe", one),
      world.phone("ann", two),
      world.phone("alice", two),
      world.phone("bob", one),
    ];
    await world.time.until(alice.publish("on two"));
    await world.time.until(bob.publish("on one"));
    await world.time.until(joe.subscribe(alice.aor));
    await world.time.until(ann.subscribe(bob.aor));
    await world.time.advance(20);
    joe.news();
    ann.news();

    await world.time.until(one.presence.stop(), 100);
    await world.time.advance(20);
    expect(joe.news()).to.deep.equal([]);
    expect([...one.storage.subscriptions.list()]).to.have.length(1);
    expect(two.presence.status()).to.include({ peerSubscriptions: 0 });
    expect((await world.time.until(joe.subscribe(alice.aor))).status).to.equal(503);

    // Its users are released by the node; ann's dialog has survived all of it.
    await world.time.until(one.locator.release(bob.aor));
    await world.time.until(world.phone("bob", two).publish("on two"));
    await world.time.advance(2000);
    expect(ann.news()).to.deep.equal([{ state: "active", basic: "open", note: "on two" }]);
  });

  it("leaves the dialogs of many some at a time, and says nothing more in what it has left", async () => {
    const { world, one, alice, watchers } = await watchedBy(2500);
    const { subscriptions } = one.storage;
    const { put } = subscriptions;
    let written = 0;
    subscriptions.put = (subscription) => {
      written += 1;
      put(subscription);
    };
    const sent = () => one.counters.get("presence.notify_sent");
    const sentBefore = sent();
    void alice.publish("this many are told when it stops");
    // What else waits for the event loop has its turn in between.
    const seen = [0];
    const stopped = Promise.withResolvers<void>();
    let phase: "running" | "stopping" | "stopped" = "running";
    const look = (): void => {
      seen.push(written);
      const isToStop = phase === "running" && sent() > sentBefore;
      if (isToStop) phase = "stopping";
      if (phase !== "stopped") world.time.after(phase === "running" ? 1 : 0, look);
      if (!isToStop) return;
      expect(sent() - sentBefore).to.be.below(watchers.length);
      void one.presence.stop().then(() => {
        seen.push(written);
        phase = "stopped";
        stopped.resolve();
      });
    };
    look();
    await world.time.until(stopped.promise);
    await world.time.advance(1000);
    expect(written).to.equal(watchers.length);
    for (const [at, count] of seen.entries()) expect(count - (seen[at - 1] ?? 0)).to.be.at.most(2000);
    const told = new Map(watchers.map(({ aor, client }) => [aor, lastCseqOf(client.received)]));
    const left = new Map([...subscriptions.list()].map(({ subscriber, localCseq }) => [subscriber, localCseq]));
    expect(left).to.deep.equal(told);
  });

  it("leaves the dialogs of so many that the disk is slow as they were written before", async () => {
    const { world, one, watchers } = await watchedBy(3000);
    const { subscriptions } = one.storage;
    const { put } = subscriptions;
    let written = 0;
    subscriptions.put = (subscription) => {
      written += 1;
      world.time.spend(1);
      put(subscription);
    };
    await world.time.until(one.presence.stop());
    expect(written).to.be.within(1, watchers.length - 1);
    expect([...subscriptions.list()]).to.have.length(watchers.length);
    const told = new Map(watchers.map(({ aor, client }) => [aor, lastCseqOf(client.received)]));
    for (const { subscriber, localCseq } of subscriptions.list())
      expect(localCseq).to.be.at.least(told.get(subscriber) as number);
  });

  it("for good tells its clients to come again elsewhere, and leaves nothing on disk", async () => {
    const world = new PresenceWorld();
    const one = world.server("one");
    const [joe, ann, alice] = [world.phone("joe", one), world.phone("ann", one), world.phone("alice", one)];
    await world.time.until(alice.publish("hello"));
    await world.time.until(joe.subscribe(alice.aor));
    await world.time.until(ann.subscribe(world.phone("bob", one).aor));
    await world.time.advance(600);
    joe.news();
    ann.news();
    await world.time.until(one.presence.stop({ forGood: true }), 100);
    expect([...joe.news(), ...ann.news()].map(({ state, reason }) => `${state} ${reason}`)).to.deep.equal([
      "terminated deactivated",
      "terminated deactivated",
    ]);
    expect([...one.storage.subscriptions.list()]).to.deep.equal([]);
  });

  it("waits no longer than its bound for servers that do not answer", async () => {
    const world = new PresenceWorld({ times: { drainMs: 2000 } });
    const [one, two] = [world.server("one"), world.server("two")];
    const [joe, alice] = [world.phone("joe", two), world.phone("alice", one)];
    await world.time.until(alice.publish("hello"));
    await world.time.until(joe.subscribe(alice.aor));
    await world.time.advance(20);
    two.stack.state = "frozen";
    const before = world.time.monotonicMs();
    await world.time.until(one.presence.stop());
    expect(world.time.monotonicMs() - before).to.equal(2000);
  });

  it("stops twice without harm", async () => {
    const world = new PresenceWorld();
    const one = world.server("one");
    await world.time.until(one.presence.stop());
    await world.time.until(one.presence.stop());
    expect(one.presence.status()).to.include({ watchers: 0 });
  });
});

function lastCseqOf(received: readonly SipRequest[]): number {
  const notify = received.findLast(({ method }) => method === "NOTIFY");
  return Number(notify?.headers.get("CSeq")?.split(" ")[0]);
}
