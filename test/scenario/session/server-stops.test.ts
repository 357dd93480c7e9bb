import { expect } from "chai";
import { ringing } from "./calls.ts";
import { SessionWorld } from "./session-world.ts";

describe("a call that rings while a server of its way stops", function () {
  this.timeout(60_000);
  let world: SessionWorld;

  before(async () => {
    world = await SessionWorld.of(2);
  });
  afterEach(() => world.endAgents());
  after(() => world.stop());

  /** Joe, at the first server, calls alice, at the second, who rings. */
  async function called() {
    const [joe, alice] = [await world.agent("joe", 0), await world.registered("alice", 1)];
    alice.rings();
    return { alice, answer: (await ringing(joe, alice.aor)).answer };
  }

  for (const [whose, server] of [
    ["the caller's", 0],
    ["the callee's", 1],
  ] as const) {
    it(`ends at both ends, and not for ever, when it is ${whose}`, async () => {
      const { alice, answer } = await called();
      await world.restart(server);
      const { status, headers } = await answer;
      expect([status, headers.has("Retry-After")]).to.deep.equal([480, true]);
      expect(alice.cancelled).to.have.lengthOf(1);
      expect(alice.reasons).to.deep.equal(['SIP;cause=480;text="Server stopping"']);
    });

    it(`ends for the caller, too, when the device says nothing more, and it is ${whose}`, async () => {
      const { alice, answer } = await called();
      await alice.stop();
      await world.restart(server);
      expect((await answer).status).to.equal(480);
    });
  }

  it("is none when it begins while a server stops: its own clients are told to look for another, those of other servers only to wait", async () => {
    const { answer } = await called();
    const [here, there] = [await world.agent("joe", 0), await world.agent("joe", 1)];
    const bob = await world.registered("bob", 0);
    await world.sides[0]!.drain();
    expect((await answer).status).to.equal(480);
    for (const [caller, expected] of [
      [here, 503],
      [there, 480],
    ] as const) {
      const { status, headers } = await caller.send(caller.invitation(bob.aor));
      expect([status, headers.has("Retry-After")]).to.deep.equal([expected, true]);
    }
    expect(bob.methods()).to.deep.equal([]);
    await world.restart(0);
  });
});
