import { expect } from "chai";
import type { ServerId } from "../../dht-schema/roster.ts";
import { limits } from "../../node/runtime/limits.ts";
import { createResponse, tagOf } from "../../node/sip/message/build.ts";
import type { SipResponse } from "../../node/sip/message/message.ts";
import { parseMessage } from "../../node/sip/message/parse-message.ts";
import { VirtualTime } from "../helpers/virtual-time.ts";
import { rawRequest, startStack } from "./harness.ts";

describe("a SIP stack with too much to do", () => {
  it("sheds new requests with 503 and Retry-After, still answers those it has, and recovers", async () => {
    const time = new VirtualTime();
    const sent: Uint8Array[] = [];
    let deliver: (from: ServerId, message: Uint8Array) => void = () => {};
    const { stack, counters, requests } = await startStack([], {
      clock: time,
      timers: time,
      mesh: {
        self: "self" as ServerId,
        send: (_server, message) => sent.push(message) > 0,
        receive: (receiver) => (deliver = receiver),
      },
    });
    const send = (i: number) =>
      deliver("peer" as ServerId, Buffer.from(rawRequest({ branch: `z9hG4bK${i}`, callId: String(i) })));
    for (let i = 0; i < limits.sip.pendingRequests; i++) send(i);
    expect(sent).to.have.length(0);

    send(-1);
    send(-1);
    const [shed, again] = sent.map((each) => parseMessage(each) as SipResponse);
    expect(shed?.status).to.equal(503);
    expect(Number(shed?.headers.get("Retry-After"))).to.be.greaterThan(0);
    // RFC 3261 §8.2.7: a stateless server gives retransmissions the same tag.
    expect(tagOf(shed?.headers.get("To") as string)).to.equal(tagOf(again?.headers.get("To") as string));
    expect(counters.get("sip.overload")).to.equal(2);

    const first = await requests.next();
    first.respond(createResponse(first.request, 200));
    expect((parseMessage(sent.at(-1) as Uint8Array) as SipResponse).status).to.equal(200);
    send(-2);
    expect(requests.unread).to.equal(limits.sip.pendingRequests);
    await stack.stop();
  });
});
