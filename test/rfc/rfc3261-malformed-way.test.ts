import { expect } from "chai";
import type { SipResponse } from "../../node/sip/message/message.ts";
import { parseMessage } from "../../node/sip/message/parse-message.ts";
import { EdgeNode } from "../helpers/edge-node.ts";
import type { RawClient } from "../sip/harness.ts";
import { rawClient, rawRequest } from "../sip/harness.ts";

/** What is wrong with the way of a request, behind the first Via, which says where its answer goes; and what the answer is. */
const SPOILT = [
  ["Via: x", 200],
  ["Via: SIP/2.0/UDP", 200],
  ["Via: SIP/1.0/UDP a;branch=z9hG4bKa, , SIP/2.0/UDP b:port", 200],
  // Nobody could say what is a value of its own there.
  ['Via: SIP/2.0/UDP a;x="never closed, SIP/2.0/UDP b', 400],
  ["Route: <sip:a@b", 400],
  ["Route: <sip:[::1;lr>", 400],
] as const;

describe("the way of a request, where it is malformed, at a node (RFC 3261 §16.3 step 1, §17)", () => {
  let node: EdgeNode;

  before(async () => {
    node = await EdgeNode.start("none");
  });
  after(() => node.stop());

  for (const transport of ["UDP", "TCP"] as const) {
    let peer: RawClient;

    const request = (method: string, branch: string, extra = "") =>
      rawRequest({ method, branch, callId: branch, extra });

    /** The next answer, and what it is to. */
    async function answered(): Promise<readonly [status: number, callId: string | undefined]> {
      const { status, headers } = parseMessage(Buffer.from(await peer.received.next())) as SipResponse;
      return [status, headers.get("Call-ID")];
    }

    describe(`over ${transport}`, () => {
      beforeEach(async () => {
        peer = await rawClient(node.listener(transport));
      });
      afterEach(() => peer.close());

      it("is no reason to answer an ACK, nor counted as an answer", async () => {
        const refused = node.counters.get("edge.refused.400");
        for (const [at, [spoilt]] of SPOILT.entries()) peer.send(request("ACK", `z9hG4bK-ack-${at}`, `${spoilt}\r\n`));
        peer.send(request("OPTIONS", `z9hG4bK-after-${transport}`));
        expect(await answered()).to.deep.equal([200, `z9hG4bK-after-${transport}`]);
        expect(node.counters.get("edge.refused.400") - refused).to.equal(0);
        expect(node.counters.get("edge.failures")).to.equal(0);
      });

      it("does not matter where others have put it into Via, and is answered 400 where it says where to go", async () => {
        for (const [at, [spoilt, status]] of SPOILT.entries()) {
          const callId = `z9hG4bK-${transport}-${at}`;
          peer.send(request("OPTIONS", callId, `${spoilt}\r\n`));
          expect(await answered(), spoilt).to.deep.equal([status, callId]);
        }
      });
    });
  }
});
