import { expect } from "chai";
import { createResponse } from "../../../node/sip/message/build.ts";
import { eventually } from "../../helpers/eventually.ts";
import type { SessionWorld } from "../session/session-world.ts";
import type { OtherServer } from "./other-server.ts";
import { worldWithOther } from "./other-server.ts";

describe("the presence of a user of a server without a node", () => {
  let world: SessionWorld;
  let other: OtherServer;

  beforeEach(async () => ({ world, other } = await worldWithOther(2, "digest", 2)));
  afterEach(() => world.stop());

  for (const [where, server] of [
    ["sends back", 0],
    ["sends on to another node that trusts it", 1],
  ] as const) {
    it(`is not asked of itself: a SUBSCRIBE that the other server ${where} is answered 482 and counted`, async () => {
      const { agent } = other;
      const elsewhere = await world.agent("somebody", server);
      const answers: number[] = [];
      // It does not take the user for its own, and routes the request to where it routes all such, as of a user of its own.
      agent.onSubscribe((incoming) => {
        void agent.stack.send(incoming.request, elsewhere.server).then(({ status, reason }) => {
          answers.push(status);
          incoming.respond(createResponse(incoming.request, status, { reason }));
        });
      });
      const before = world.counters(server).get("federation.loops");
      expect((await other.register("kate")).status).to.equal(200);
      await eventually(() => answers.length > 0, "the SUBSCRIBE to have come back");
      expect(answers[0]).to.equal(482);
      expect(world.counters(server).get("federation.loops") - before).to.equal(answers.length);
      expect(world.sides[server]!.presence.status().watchers).to.equal(0);
    });
  }

  for (const [name, value] of [
    ["Expires", "-1"],
    ["Contact", "<sip:kate"],
  ] as const) {
    it(`is asked for anew where nobody can read the answer, which costs the node nothing: ${name}: ${value}`, async () => {
      const { agent } = other;
      const contact: [string, string] = ["Contact", `<${agent.contact}>`];
      let asked = 0;
      agent.onSubscribe((incoming) => {
        const headers: [string, string][] = asked++ === 0 ? [[name, value]] : [contact];
        incoming.respond(createResponse(incoming.request, 200, { headers }));
      });
      const failed = () => world.counters(0).get("sidecar.subscribe_failed");
      expect((await other.register("kate")).status).to.equal(200);
      await eventually(() => asked > 1, "another SUBSCRIBE");
      expect(failed()).to.equal(1);
    });
  }

  it("may be asked by its other users, wherever they ask", async () => {
    for (const server of [0, 1]) {
      const { server: flow } = await world.agent("somebody", server);
      const fields: [string, string][] = [
        ["Event", "presence"],
        ["P-Asserted-Identity", "<sip:joe@example.com>"],
        ["Contact", `<${other.agent.contact}>`],
      ];
      const request = other.agent.outside("SUBSCRIBE", "sip:kate@example.com", fields);
      request.headers.set("From", "<sip:joe@example.com>;tag=j");
      expect((await other.agent.stack.send(request, flow)).status, String(server)).to.equal(200);
    }
  });
});
