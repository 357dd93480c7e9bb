import { expect } from "chai";
import { createResponse } from "../../../node/sip/message/build.ts";
import { eventually } from "../../helpers/eventually.ts";
import type { SessionWorld } from "../session/session-world.ts";
import type { OtherServer } from "./other-server.ts";
import { worldWithOther } from "./other-server.ts";

describe("the presence of a user of a server without a node", () => {
  let world: SessionWorld;
  let other: OtherServer;

  before(async () => ({ world, other } = await worldWithOther(1)));
  after(() => world.stop());

  it("is not asked of itself: a SUBSCRIBE that the other server sends back is answered 482 and counted", async () => {
    const { agent } = other;
    const answers: number[] = [];
    // It does not take the user for its own, and routes the request to where it routes all such.
    agent.onSubscribe((incoming) => {
      void agent.stack.send(incoming.request, agent.server).then(({ status, reason }) => {
        answers.push(status);
        incoming.respond(createResponse(incoming.request, status, { reason }));
      });
    });
    const before = world.counters(0).get("federation.loops");
    expect((await other.register("kate")).status).to.equal(200);
    await eventually(() => answers.length > 0, "the SUBSCRIBE to have come back");
    expect(answers[0]).to.equal(482);
    expect(world.counters(0).get("federation.loops") - before).to.equal(answers.length);
    expect(world.sides[0]!.presence.status().watchers).to.equal(0);
  });
});
