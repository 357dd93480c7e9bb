import { expect } from "chai";
import type { ServerStack } from "../../helpers/sip-network.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";
import { PresenceWorld } from "./presence-world.ts";

/** The next requests that arrive at a server are read in one turn of the event loop, as those of one TCP segment are. */
function together(stack: ServerStack, requests: number): void {
  const receive = stack.receive.bind(stack);
  const waiting: (() => void)[] = [];
  stack.receive = (...request) => {
    waiting.push(() => receive(...request));
    if (waiting.length < requests) return;
    stack.receive = receive;
    for (const arrive of waiting) arrive();
  };
}

describe("a SUBSCRIBE that is read in one turn of the event loop with other requests", () => {
  for (const order of ["before", "after"] as const) {
    it(`sees a user who publishes in that turn, ${order} it, and what she publishes from then on`, async () => {
      const domain = new SimulatedDomain();
      const one = domain.server("one");
      const [joe, alice] = [domain.phone("joe", one), domain.phone("alice", one)];
      await domain.time.until(alice.publish("first"));
      together(one.stack, 2);
      const ask = [() => joe.subscribe(alice.aor), () => alice.publish("second")];
      if (order === "after") ask.reverse();
      const answers = await domain.time.until(Promise.all(ask.map((request) => request())));
      expect(answers.map(({ status }) => status)).to.deep.equal([200, 200]);
      await domain.time.advance(20);
      await domain.time.until(alice.publish("third"));
      await domain.time.advance(20);
      expect(joe.news().map(({ note }) => note)).to.deep.equal(["second", "third"]);
    });
  }

  it("is told of watchers who come in that turn and later", async () => {
    const domain = new SimulatedDomain();
    const one = domain.server("one");
    const [joe, ann, alice] = [domain.phone("joe", one), domain.phone("ann", one), domain.phone("alice", one)];
    await domain.time.until(alice.publish("here"));
    await domain.time.advance(500);
    together(one.stack, 3);
    const watch = alice.subscribe(alice.aor, { event: "presence.winfo" });
    await domain.time.until(Promise.all([watch, joe.subscribe(alice.aor), alice.publish("still here")]));
    await domain.time.advance(20);
    await domain.time.until(ann.subscribe(alice.aor));
    await domain.time.advance(20);
    const said = alice.notifies("presence.winfo").map(({ body }) => Buffer.from(body).toString());
    expect(said.join("")).to.contain(joe.aor).and.contain(ann.aor);
  });

  it("counts for the bounds that hold in that turn", async () => {
    const world = new PresenceWorld({ bounds: { watchersPerUser: 2 } });
    const one = world.server("one");
    const [joe, alice] = [world.phone("joe", one), world.phone("alice", one)];
    together(one.stack, 3);
    const answers = await world.time.until(Promise.all([1, 2, 3].map(() => joe.subscribe(alice.aor))));
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 503]);
  });
});
