import { expect } from "chai";
import { eventually } from "../../helpers/eventually.ts";
import { EdgeNode } from "../../helpers/edge-node.ts";
import { Phone } from "../../cli/phone.ts";

describe("a message that is on its way when its server stops", function () {
  this.timeout(20_000);

  it("is held, and its sender told so over UDP, who would send it again to the next run otherwise", async () => {
    const node = await EdgeNode.start("none");
    const { port } = node.listener("UDP");
    const [joe, bob] = [await Phone.open("joe"), await Phone.open("bob")];
    try {
      expect(await bob.register(port)).to.equal(200);
      const answer = joe.message(port, "bob", "are you there?");
      await eventually(() => node.counters.get("federation.branches") === 1, "the device, which is silent, was asked");
      await node.stop();
      expect(await answer).to.equal(202);
      expect(node.side.held.status).to.deep.equal({ recipients: 1, messages: 1 });
    } finally {
      joe.close();
      bob.close();
    }
  });
});
