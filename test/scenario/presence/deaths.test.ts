import { expect } from "chai";
import { PresenceWorld } from "./presence-world.ts";

const LEASE_MS = 10_000;

describe("a watched user whose server dies", () => {
  it("stays as she was until her lease has run out and a grace is over, then shows closed, then is held again", async () => {
    const world = new PresenceWorld();
    const [one, two, three] = [world.server("one"), world.server("two"), world.server("three")];
    const [joe, alice] = [world.phone("joe", one), world.phone("alice", two)];
    await world.time.until(alice.publish("on two"));
    await world.time.until(joe.subscribe(alice.aor));
    await world.time.advance(20);
    joe.news();

    world.kill(two);
    await world.time.advance(LEASE_MS + 1990);
    expect(joe.news()).to.deep.equal([]);
    expect(one.presence.status().views).to.deep.equal({ orphaned: 1 });
    await world.time.advance(50);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "closed", note: "" }]);
    expect(one.presence.status().views).to.deep.equal({ held: 1 });

    await world.time.until(world.phone("alice", three).publish("on three"));
    await world.time.advance(20);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "open", note: "on three" }]);
  });

  it("does not flicker when she comes back elsewhere within the grace", async () => {
    const world = new PresenceWorld();
    const [one, two, three] = [world.server("one"), world.server("two"), world.server("three")];
    const [joe, alice] = [world.phone("joe", one), world.phone("alice", two)];
    await world.time.until(alice.publish("on two"));
    await world.time.until(joe.subscribe(alice.aor));
    await world.time.advance(20);
    joe.news();
    world.kill(two);
    await world.time.advance(LEASE_MS + 1000);
    await world.time.until(world.phone("alice", three).publish("on three"));
    await world.time.advance(3000);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "open", note: "on three" }]);
    expect(one.presence.status().views).to.deep.equal({ active: 1 });
  });

  it("is held for a new watcher who comes while she is orphaned no more", async () => {
    const world = new PresenceWorld();
    const [one, two] = [world.server("one"), world.server("two")];
    const [joe, ann, alice] = [world.phone("joe", one), world.phone("ann", one), world.phone("alice", two)];
    await world.time.until(alice.publish("on two"));
    await world.time.until(joe.subscribe(alice.aor));
    world.kill(two);
    await world.time.advance(LEASE_MS + 3000);
    await world.time.until(ann.subscribe(alice.aor));
    await world.time.advance(20);
    expect(ann.news()).to.deep.equal([{ state: "pending", basic: "closed", note: "" }]);
  });

  it("shows closed though the server that had her is full, and has no room for those who ask", async () => {
    const world = new PresenceWorld({ bounds: { subscriptions: 2 } });
    const [one, two] = [world.server("one"), world.server("two")];
    const [joe, alice, bob] = [world.phone("joe", one), world.phone("alice", two), world.phone("bob", two)];
    await world.time.until(alice.publish("for a minute", { expires: 60 }));
    await world.time.until(bob.publish("here"));
    await world.time.until(joe.subscribe(alice.aor));
    await world.time.advance(20);
    joe.news();
    one.stack.state = "gone";
    await world.time.advance(61_000);
    for (const watched of [alice, bob]) await world.time.until(bob.subscribe(watched.aor));
    one.stack.state = "up";
    world.linkUp(two);
    // Another user of that server goes on being asked for in vain.
    await world.time.until(joe.subscribe(bob.aor));
    await world.time.advance(60_000);
    expect(one.presence.status().views).to.deep.equal({ held: 1, moving: 1 });
  });

  it("is asked for again when its link is back, because what was told meanwhile is lost", async () => {
    const world = new PresenceWorld();
    const [one, two] = [world.server("one"), world.server("two")];
    const [joe, alice] = [world.phone("joe", one), world.phone("alice", two)];
    await world.time.until(alice.publish("before"));
    await world.time.until(joe.subscribe(alice.aor));
    await world.time.advance(20);
    joe.news();
    one.stack.state = "gone";
    await world.time.until(alice.publish("while the link was down"));
    await world.time.advance(100);
    expect(two.presence.status()).to.include({ peerSubscriptions: 0 });
    one.stack.state = "up";
    world.linkUp(two);
    await world.time.advance(100);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "open", note: "while the link was down" }]);
  });

  it("is looked for again and again, ever more slowly, while its server does not answer", async () => {
    const world = new PresenceWorld();
    const [one, two] = [world.server("one"), world.server("two")];
    const [joe, alice] = [world.phone("joe", one), world.phone("alice", two)];
    await world.time.until(alice.publish("unreachable"));
    two.stack.state = "gone";
    await world.time.until(joe.subscribe(alice.aor));
    await world.time.advance(600);
    expect(joe.news()).to.deep.equal([{ state: "pending", basic: "closed", note: "" }]);
    await world.time.advance(60_000);
    expect(one.counters.get("presence.backend_subscribes")).to.be.within(5, 15);
    two.stack.state = "up";
    await world.time.advance(31_000);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "open", note: "unreachable" }]);
  });

  it("lets a watcher be told within half a second that nothing is known, while the directory does not answer", async () => {
    const world = new PresenceWorld();
    const one = world.server("one");
    one.locator.cutOff();
    const joe = world.phone("joe", one);
    await world.time.until(joe.subscribe(world.phone("alice", one).aor));
    await world.time.advance(490);
    expect(joe.news()).to.deep.equal([]);
    await world.time.advance(20);
    expect(joe.news()).to.deep.equal([{ state: "pending", basic: "closed", note: "" }]);
    expect(one.presence.status().views).to.deep.equal({ locating: 1 });
  });

  it("makes a PUBLISH wait for no majority: 503 with Retry-After, and nothing is owned", async () => {
    const world = new PresenceWorld();
    const one = world.server("one");
    one.locator.cutOff();
    const alice = world.phone("alice", one);
    const { status, headers } = await world.time.until(alice.publish("anyone there?"));
    expect([status, headers.get("Retry-After")]).to.deep.equal([503, "2"]);
    expect(one.presence.status()).to.deep.include({ presentities: 0, publications: 0 });
  });

  it("makes a PUBLISH wait, too, where the directory fails", async () => {
    const world = new PresenceWorld();
    const one = world.server("one");
    one.locator.claim = () => Promise.reject(new Error("a fault"));
    const alice = world.phone("alice", one);
    const { status, headers } = await world.time.until(alice.publish("anyone there?"));
    expect([status, headers.get("Retry-After")]).to.deep.equal([503, "2"]);
  });
});
