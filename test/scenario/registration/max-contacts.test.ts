import { expect } from "chai";
import { createRequest } from "../../../node/sip/message/build.ts";
import { randomTag } from "../../../node/sip/message/tags.ts";
import { EdgeNode } from "../../helpers/edge-node.ts";
import { Agent } from "../session/session-world.ts";

const USER = "sip:group@example.com";

describe("as many devices of one user as the operator allows", () => {
  let node: EdgeNode;
  let agent: Agent;

  before(async () => {
    node = await EdgeNode.start("none", undefined, { maxContacts: 20 });
    agent = new Agent("group", node.listener("UDP"));
    await agent.start();
  });
  after(async () => {
    await agent.stop();
    await node.stop();
  });

  it("are registered, one more is refused, and those that are there stay", async () => {
    const register = (contacts: readonly string[]) =>
      agent.send(
        createRequest({
          ...{ method: "REGISTER", uri: "sip:example.com", from: `<${USER}>;tag=${randomTag()}`, to: `<${USER}>` },
          headers: contacts.map((contact): [string, string] => ["Contact", contact]),
        }),
      );
    const phones = Array.from({ length: 20 }, (_, at) => `<sip:phone${at}@192.0.2.${at + 1}>`);
    expect((await register(phones)).status).to.equal(200);
    expect((await register(["<sip:one-more@192.0.2.99>"])).status).to.equal(403);
    expect(node.counters.get("registrar.refused.403"), "an operator sees of what kind it was").to.equal(1);
    const { status, headers } = await register([]);
    expect([status, headers.all("Contact").length]).to.deep.equal([200, 20]);
  });
});
