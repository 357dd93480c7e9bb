import { expect } from "chai";
import { createResponse } from "../../../node/sip/message/build.ts";
import { PresenceWorld } from "./presence-world.ts";

describe("a watcher and a user who comes and goes", () => {
  it("waits, held, for a user who is nowhere, and sees her as soon as she publishes, without subscribing again", async () => {
    const world = new PresenceWorld();
    const [one, two] = [world.server("one"), world.server("two")];
    const [joe, alice] = [world.phone("joe", one), world.phone("alice", two)];

    const { status } = await world.time.until(joe.subscribe(alice.aor));
    await world.time.advance(20);
    expect(status).to.equal(200);
    expect(joe.news()).to.deep.equal([{ state: "pending", basic: "closed", note: "" }]);

    expect((await world.time.until(alice.publish("at my desk"))).status).to.equal(200);
    await world.time.advance(20);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "open", note: "at my desk" }]);

    await world.time.until(alice.publish("on the phone"));
    await world.time.advance(20);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "open", note: "on the phone" }]);
    expect(
      world.network.log.filter(({ from, request }) => request.method === "SUBSCRIBE" && from === joe.client.name),
    ).to.have.length(1);
  });

  it("is who is the cause of what is done for them after they have subscribed", async () => {
    const causes: (string | undefined)[] = [];
    const during = <Result>(user: string | undefined, work: () => Result): Result => {
      causes.push(user);
      return work();
    };
    const world = new PresenceWorld({}, { during });
    const [one, two] = [world.server("one"), world.server("two")];
    const [joe, alice] = [world.phone("joe", one), world.phone("alice", two)];
    await world.time.until(joe.subscribe(alice.aor));
    await world.time.advance(20);
    causes.length = 0;
    await world.time.until(alice.publish("at my desk"));
    await world.time.advance(20);
    expect(joe.news().at(-1)?.note).to.equal("at my desk");
    expect(new Set(causes.filter((user) => user !== undefined))).to.deep.equal(new Set([joe.aor]));
  });

  it("sees a user of another server at once, in the first NOTIFY", async () => {
    const world = new PresenceWorld();
    const [one, two] = [world.server("one"), world.server("two")];
    const [joe, alice] = [world.phone("joe", one), world.phone("alice", two)];
    await world.time.until(alice.publish("here already"));
    await world.time.until(joe.subscribe(alice.aor));
    await world.time.advance(20);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "open", note: "here already" }]);
  });

  it("sees a user of the same server without a message between servers", async () => {
    const world = new PresenceWorld();
    const one = world.server("one");
    world.server("two");
    const [joe, alice] = [world.phone("joe", one), world.phone("alice", one)];
    await world.time.until(joe.subscribe(alice.aor));
    await world.time.until(alice.publish("next door"));
    await world.time.advance(20);
    expect(joe.news()).to.deep.equal([
      { state: "pending", basic: "closed", note: "" },
      { state: "active", basic: "open", note: "next door" },
    ]);
    expect([...world.crossed("SUBSCRIBE"), ...world.crossed("NOTIFY")]).to.deep.equal([]);
  });

  it("sees a user open who has registered and published nothing, and closed when the contact is gone", async () => {
    const world = new PresenceWorld();
    const [one, two] = [world.server("one"), world.server("two")];
    const [joe, alice] = [world.phone("joe", one), world.phone("alice", two)];
    await world.time.until(joe.subscribe(alice.aor));
    await world.time.until(alice.register());
    await world.time.advance(20);
    expect(joe.news()).to.deep.equal([
      { state: "pending", basic: "closed", note: "" },
      { state: "active", basic: "open", note: "" },
    ]);
    two.contacts.set(alice.aor, []);
    await world.time.advance(20);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "closed", note: "" }]);
  });

  it("sees two devices of a user in one document", async () => {
    const world = new PresenceWorld();
    const [one, two] = [world.server("one"), world.server("two")];
    const [joe, desk, mobile] = [world.phone("joe", one), world.phone("alice", two), world.phone("alice", two)];
    await world.time.until(desk.publish("desk"));
    await world.time.until(joe.subscribe(desk.aor));
    await world.time.until(mobile.publish("mobile"));
    await world.time.advance(20);
    expect(joe.news().at(-1)?.note.split(",")).to.have.members(["desk", "mobile"]);
  });

  it("sees a publication end when it expires, and the user is let go of then", async () => {
    const world = new PresenceWorld();
    const [one, two] = [world.server("one"), world.server("two")];
    const [joe, alice] = [world.phone("joe", one), world.phone("alice", two)];
    await world.time.until(joe.subscribe(alice.aor));
    await world.time.until(alice.publish("for a minute", { expires: 60 }));
    await world.time.advance(59_000);
    expect(joe.news().at(-1)).to.include({ basic: "open" });
    await world.time.advance(1_100);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "closed", note: "" }]);
    expect(world.directory.ownerOf(alice.aor)?.owner).to.equal(two.locator);
    await world.time.advance(10_000);
    expect(world.directory.ownerOf(alice.aor)).to.equal(undefined);
    expect(joe.news()).to.deep.equal([]);
    await world.time.until(alice.publish("back", { initial: true }));
    await world.time.advance(20);
    expect(joe.news()).to.deep.equal([{ state: "active", basic: "open", note: "back" }]);
  });

  it("fetches the state once with Expires 0", async () => {
    const world = new PresenceWorld();
    const [one, two] = [world.server("one"), world.server("two")];
    const [joe, alice] = [world.phone("joe", one), world.phone("alice", two)];
    await world.time.until(alice.publish("a moment"));
    await world.time.until(joe.subscribe(alice.aor, { expires: 0 }));
    await world.time.advance(20);
    expect(joe.news()).to.deep.equal([{ state: "terminated", reason: "timeout", basic: "open", note: "a moment" }]);
    expect(one.presence.status()).to.deep.include({ watchers: 0, views: {} });
    expect(two.presence.status()).to.include({ peerSubscriptions: 0 });
    expect(one.locator.watches).to.equal(0);
  });

  it("unsubscribes: a last NOTIFY, and nothing is left on either server", async () => {
    const world = new PresenceWorld();
    const [one, two] = [world.server("one"), world.server("two")];
    const [joe, alice] = [world.phone("joe", one), world.phone("alice", two)];
    await world.time.until(alice.publish("hello"));
    const { dialog } = await world.time.until(joe.subscribe(alice.aor));
    await world.time.advance(20);
    joe.news();
    expect((await world.time.until(joe.resubscribe(dialog, 0))).headers.get("Expires")).to.equal("0");
    await world.time.advance(20);
    expect(joe.news()).to.deep.equal([{ state: "terminated", reason: "timeout", basic: "open", note: "hello" }]);
    expect(one.presence.status()).to.deep.include({ watchers: 0, views: {} });
    expect(two.presence.status()).to.deep.include({ peerSubscriptions: 0, publications: 1 });
    expect((await world.time.until(joe.resubscribe(dialog))).status).to.equal(481);
  });

  it("is told of a state that came while its answer to the last NOTIFY was still on its way, but only of the newest", async () => {
    const world = new PresenceWorld();
    const one = world.server("one");
    const [joe, alice] = [world.phone("joe", one), world.phone("alice", one)];
    await world.time.until(alice.publish("0"));
    await world.time.until(joe.subscribe(alice.aor));
    await world.time.advance(20);
    joe.news();
    // Joe's client takes its time to answer; nothing else is sent to it meanwhile.
    const answers: (() => void)[] = [];
    const notes: string[] = [];
    joe.client.onRequest((incoming) => {
      notes.push(/<note>(.*?)<\/note>/.exec(new TextDecoder().decode(incoming.request.body))?.[1] ?? "");
      answers.push(() => incoming.respond(createResponse(incoming.request, 200)));
    });
    for (const note of ["1", "2", "3"]) await world.time.until(alice.publish(note));
    await world.time.advance(20);
    expect(notes).to.deep.equal(["1"]);
    answers.shift()?.();
    await world.time.advance(20);
    expect(notes).to.deep.equal(["1", "3"]);
  });
});
