import { expect } from "chai";
import { eventually } from "../../helpers/eventually.ts";
import { SessionWorld } from "./session-world.ts";

const ALICE = "sip:alice@example.com";

describe("a call that rings while a server of its way stops", function () {
  this.timeout(60_000);
  let world: SessionWorld;

  before(async () => {
    world = await SessionWorld.of(2);
  });
  afterEach(() => world.endAgents());
  after(() => world.stop());

  /** Joe, at the first server, calls alice, at the second, who rings. */
  async function ringing() {
    const [joe, alice] = [await world.agent("joe", 0), await world.agent("alice", 1)];
    expect((await alice.register()).status).to.equal(200);
    alice.rings();
    let rings = false;
    const answer = joe.send(joe.invitation(ALICE), { onProvisional: ({ status }) => (rings ||= status === 180) });
    await eventually(() => rings, "a 180");
    return { alice, answer };
  }

  for (const [whose, server] of [
    ["the caller's", 0],
    ["the callee's", 1],
  ] as const) {
    it(`ends at both ends, and not for ever, when it is ${whose}`, async () => {
      const { alice, answer } = await ringing();
      await world.restart(server);
      const { status, headers } = await answer;
      expect([status, headers.has("Retry-After")]).to.deep.equal([480, true]);
      expect(alice.cancelled).to.have.lengthOf(1);
      expect(alice.reasons).to.deep.equal(['SIP;cause=480;text="Server stopping"']);
    });

    it(`ends for the caller, too, when the device says nothing more, and it is ${whose}`, async () => {
      const { alice, answer } = await ringing();
      await alice.stop();
      await world.restart(server);
      expect((await answer).status).to.equal(480);
    });
  }

  it("is none when it begins while a server stops: its own clients are told to look for another, those of other servers only to wait", async () => {
    const { answer } = await ringing();
    const [here, there] = [await world.agent("joe", 0), await world.agent("joe", 1)];
    const bob = await world.agent("bob", 0);
    await bob.register();
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
