import { expect } from "chai";
import type { ServerId } from "../../dht-schema/roster.ts";
import type { MonotonicMs } from "../../node/runtime/clock.ts";
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
    const room = limits.sip.pendingRequests - limits.sip.reservedRequests;
    for (let i = 0; i < room; i++) send(i);
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
    expect(requests.unread).to.equal(room);

    const inDialog = (i: number) =>
      deliver(
        "peer" as ServerId,
        Buffer.from(rawRequest({ branch: `z9hG4bKd${i}` }).replace("To: <sip:example.com>", "$&;tag=1")),
      );
    const answers = sent.length;
    for (let i = 0; i < limits.sip.reservedRequests; i++) inDialog(i);
    expect(sent.length, "all within a dialog are served").to.equal(answers);
    inDialog(-1);
    expect((parseMessage(sent.at(-1) as Uint8Array) as SipResponse).status).to.equal(503);
    await stack.stop();
  });

  it("whose event loop is late again and again sheds a growing share of what begins something, and nothing of what goes on", async () => {
    // A clock that is ahead of its timers: to the stack, they come late.
    const time = new VirtualTime();
    let lateMs = 0;
    const clock = { monotonicMs: () => (time.monotonicMs() + lateMs) as MonotonicMs, wallMs: () => time.wallMs() };
    let deliver: (from: ServerId, message: Uint8Array) => void = () => {};
    const { stack, counters, requests } = await startStack([], {
      clock,
      timers: time,
      mesh: { self: "self" as ServerId, send: () => true, receive: (receiver) => (deliver = receiver) },
    });
    const { sampleMs, lateMs: tooLateMs, samples } = limits.sip.overload;
    let branch = 0;
    const shedOf = (count: number, change: (text: string) => string = (text) => text): number => {
      const before = counters.get("sip.overload");
      for (let i = 0; i < count; i++) {
        const text = rawRequest({ branch: `z9hG4bK${branch++}` });
        deliver("peer" as ServerId, Buffer.from(change(text)));
      }
      return counters.get("sip.overload") - before;
    };
    const sampleLate = async () => {
      const nextMs = time.monotonicMs() + sampleMs;
      lateMs += tooLateMs;
      await time.advance(nextMs - time.monotonicMs());
    };
    for (let i = 1; i < samples; i++) await sampleLate();
    expect(shedOf(100), "a pause is no overload").to.equal(0);
    await sampleLate();
    expect(shedOf(100)).to.be.within(15, 25);
    for (let i = 0; i < 10; i++) await sampleLate();
    expect(shedOf(100)).to.equal(100);
    expect(shedOf(100, (text) => text.replace("To: <sip:example.com>", "$&;tag=1"))).to.equal(0);
    expect(
      shedOf(10, (text) => text.replaceAll("OPTIONS", "PUBLISH").replace("CSeq", "SIP-If-Match: x\r\nCSeq")),
    ).to.equal(0);
    await time.advance(11 * sampleMs);
    expect(shedOf(100)).to.equal(0);
    expect(requests.unread).to.be.greaterThan(200);
    await stack.stop();
  });
});
