import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import type { Ahead } from "../../../node/session/ahead.ts";
import { OtherEnd } from "../../../node/session/other-end.ts";
import type { Reached } from "../../../node/session/other-end.ts";
import { Passage } from "../../../node/session/passage.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import type { SipRequest, SipResponse } from "../../../node/sip/message/message.ts";
import type { Flow, InviteProgress } from "../../../node/sip/stack.ts";
import { settle, VirtualTime } from "../../helpers/virtual-time.ts";
import { request } from "../federation/requests.ts";

const BOB = "sip:bob@example.com" as Aor;
const CONTACT = "sip:bob@192.0.2.1:5070";
const SOURCE = { transport: "UDP", address: "192.0.2.9", port: 5060 } as const;
const SERVER = { transport: "MESH", server: "two" as ServerId } as const;
const at = (port: number): Flow => ({ transport: "UDP", address: "192.0.2.1", port });

/** What the stack says of a request that has had no answer. */
const failed = (sent: SipRequest, status: 408 | 503, mark: string) =>
  createResponse(sent, status, { headers: [["Aorta-Local", mark]] });

/** A request to bob's device on its way, which is sent nowhere but to the test. */
function passage(method = "BYE") {
  const time = new VirtualTime();
  const sent: {
    request: SipRequest;
    to: Flow;
    answer(response: SipResponse): void;
    reach?: InviteProgress | undefined;
  }[] = [];
  const acknowledged: [SipRequest, Flow][] = [];
  const heard: number[] = [];
  const ways: (Reached | undefined | Promise<Reached>)[] = [];
  let cancel: (reason?: string) => void = () => {};
  let moves: (now: Flow) => void = () => {};
  let isListening = false;
  const incoming = {
    request: request(method, CONTACT, {
      to: `<${BOB}>;tag=bobs`,
      headers: [["Route", "<sip:recorded.example.com;lr>"]],
    }),
    flow: SOURCE,
    respond: ({ status }: SipResponse) => void heard.push(status),
    onCancel: (listener: (reason: string | undefined) => void) => void (cancel = listener),
  };
  const end = new OtherEnd({ ...incoming.request }, SOURCE, { isTowards: (aor) => aor === BOB }, {} as never);
  const send = (each: SipRequest, to: Flow, reach?: InviteProgress) =>
    new Promise<SipResponse>((answer) => void sent.push({ request: each, to, answer, reach }));
  const way = new Passage(incoming, incoming.request, end, {
    stack: { send, invite: send, acknowledge: (ack, to) => void acknowledged.push([ack, to]) },
    counters: createCounters(),
    timers: time,
    toServer: (to) => ({ flow: () => to, again: async () => to }),
    untilAt: async (_end, _lost, isAnother) => {
      const found = await ways.shift();
      return found !== undefined && isAnother(found) ? found : undefined;
    },
  });
  const ahead: Ahead = {
    flow: (recorded) => recorded,
    again: async () => at(5099),
    listen(_to, moved) {
      moves = moved;
      isListening = true;
      return () => (isListening = false);
    },
  };
  const last = () => sent.at(-1)!;
  return {
    ...{ time, way, ahead, sent, acknowledged, heard, ways, last },
    cancel: () => cancel(),
    moves: (now: Flow) => isListening && moves(now),
    isListened: () => isListening,
    async answers(response: (sent: SipRequest) => SipResponse, to = last()) {
      to.answer(response(to.request));
      await settle();
    },
  };
}

const says = (status: number) => (sent: SipRequest) => createResponse(sent, status);

describe("a request within a session on its way", () => {
  it("goes by the way that was recorded, and its answer back", async () => {
    const { way, ahead, last, heard, answers, isListened } = passage();
    way.goOn(at(5070), ahead);
    expect(last().to).to.deep.equal(at(5070));
    expect(last().request.headers.get("Route")).to.equal("<sip:recorded.example.com;lr>");
    await answers(says(200));
    expect(heard).to.deep.equal([200]);
    expect(isListened()).to.equal(false);
  });

  it("fails as its last hop did: 408 in silence, 430 without a connection, 480 without a link", async () => {
    const fails: readonly [Flow, 408 | 503, string, number][] = [
      [at(5070), 408, "timed-out", 408],
      [at(5070), 503, "not-sent", 430],
      [SERVER, 503, "cut-off", 480],
    ];
    for (const [to, status, mark, told] of fails) {
      const { way, answers, heard } = passage();
      way.goOn(to, undefined);
      await answers((sent) => failed(sent, status, mark));
      expect(heard).to.deep.equal([told]);
    }
  });

  it("is taken to another server as for one device of its user", async () => {
    const { way, last } = passage();
    way.goOn(at(5070), { flow: async () => SERVER, again: async () => undefined });
    await settle();
    expect(last().to).to.deep.equal(SERVER);
    expect(last().request.uri).to.equal(BOB);
    expect(last().request.headers.get("Aorta-Contact")).to.equal(CONTACT);
    expect(last().request.headers.has("Route")).to.equal(false);
    expect(await last().reach?.reachedAgain?.(SERVER), "waited for there").to.deep.equal(SERVER);
  });

  it("goes beside its way to where the other end has moved; the way that it has taken is asked for nothing more", async () => {
    const fails = [says(430), (each: SipRequest) => failed(each, 408, "timed-out")];
    for (const failure of fails) {
      const { way, ahead, sent, moves, heard, answers } = passage();
      way.goOn(at(5070), ahead);
      const [first] = sent;
      moves(at(5071));
      expect(sent.map(({ to }) => to)).to.deep.equal([at(5070), at(5071)]);
      expect(await first?.reach?.reachedAgain?.(at(5070))).to.equal(undefined);
      await answers(failure, first);
      expect(heard, "told by nobody that it has failed").to.deep.equal([]);
      expect(await sent[1]?.reach?.reachedAgain?.(at(5071)), "the new one goes on").to.deep.equal(at(5099));
      await answers(says(200));
      expect(heard).to.deep.equal([200]);
    }
  });

  it("has the answer of the way that it took first, where that comes", async () => {
    const { way, ahead, sent, moves, heard, answers } = passage();
    way.goOn(at(5070), ahead);
    moves(at(5071));
    await answers(says(200), sent[0]);
    expect(heard).to.deep.equal([200]);
  });

  it("goes nowhere else once it has been answered, or cancelled", async () => {
    const answered = passage();
    answered.way.goOn(at(5070), answered.ahead);
    await answered.answers(says(200));
    answered.moves(at(5071));
    expect(answered.sent).to.have.length(1);
    const cancelled = passage("INVITE");
    cancelled.way.goOn(at(5070), cancelled.ahead);
    cancelled.cancel();
    cancelled.moves(at(5071));
    expect(cancelled.sent).to.have.length(1);
    await cancelled.answers((each) => failed(each, 408, "timed-out"));
    expect(cancelled.heard).to.deep.equal([487]);
  });

  it("is answered 487 when it is cancelled before it has gone anywhere", async () => {
    const { way, cancel, heard } = passage("INVITE");
    way.goOn(at(5070), { flow: () => new Promise(() => {}), again: async () => undefined });
    cancel();
    expect(heard).to.deep.equal([487]);
  });

  it("is given up after Timer C where the other end has said that it rings, and nothing since (RFC 3261 §16.8)", async () => {
    for (const to of [at(5070), SERVER]) {
      const { time, way, last, heard, answers } = passage("INVITE");
      way.goOn(to, undefined);
      const { request: invite, reach } = last();
      await time.advance(limits.session.ringMs - 1);
      reach?.onProvisional?.(createResponse(invite, 180));
      await time.advance(limits.session.ringMs - 1);
      expect(reach?.signal?.aborted).to.equal(false);
      await time.advance(1);
      expect(reach?.signal?.aborted, "it gets a CANCEL").to.equal(true);
      await answers(says(487));
      expect(heard, "its caller has not given up").to.deep.equal([180, 408]);
    }
  });

  it("is answered 408 where the other end is silent to the CANCEL of Timer C, too", async () => {
    const { time, way, heard, answers } = passage("INVITE");
    way.goOn(at(5070), undefined);
    await time.advance(limits.session.ringMs);
    await answers((each) => failed(each, 408, "timed-out"));
    expect(heard).to.deep.equal([408]);
  });

  it("is waited for no more when it has been answered", async () => {
    const { time, way, last, heard, answers } = passage("INVITE");
    way.goOn(at(5070), undefined);
    await answers(says(200));
    // As it does until it has the ACK.
    last().reach?.onSuccess?.(createResponse(last().request, 200));
    await time.advance(2 * limits.session.ringMs);
    expect(last().reach?.signal?.aborted).to.equal(false);
    expect(heard).to.deep.equal([200, 200]);
  });

  it("tries two more paths where a proxy says that its flow is gone, none of them twice", async () => {
    const path = (name: string): Reached => ({ ...at(5060), path: [`<sip:${name};lr>`] }) as Reached;
    const { way, ways, sent, last, heard, answers } = passage();
    ways.push(path("b"), path("c"), path("d"));
    way.goOn(at(5060), undefined);
    await answers(says(430));
    await answers(says(477));
    expect(sent.map(({ request: { headers } }) => headers.get("Route"))).to.deep.equal([
      "<sip:recorded.example.com;lr>",
      "<sip:b;lr>",
      "<sip:c;lr>",
    ]);
    await answers(says(430));
    expect(sent).to.have.length(3);
    expect(heard).to.deep.equal([430]);
    const same = passage();
    same.ways.push(path("recorded.example.com"));
    same.way.goOn(at(5060), undefined);
    await same.answers(says(430));
    expect(same.sent, "the same path").to.have.length(1);
    expect(same.heard).to.deep.equal([430]);
    expect(last().request.uri).to.equal(CONTACT);
  });

  it("is answered 487 when it is cancelled while the next path is waited for, and goes nowhere then", async () => {
    const { way, ways, cancel, sent, heard, answers } = passage("INVITE");
    const { promise, resolve } = Promise.withResolvers<Reached>();
    ways.push(promise);
    way.goOn(at(5060), undefined);
    await answers(says(430));
    cancel();
    expect(heard).to.deep.equal([487]);
    resolve({ ...at(5060), path: ["<sip:b;lr>"] } as Reached);
    await settle();
    expect(sent).to.have.length(1);
    expect(heard[0]).to.equal(487);
  });

  it("waits for no answer where it is an ACK", () => {
    const { way, ahead, acknowledged, sent, isListened } = passage("ACK");
    way.goOn(at(5070), ahead);
    expect(acknowledged.map(([, to]) => to)).to.deep.equal([at(5070)]);
    expect(sent).to.deep.equal([]);
    expect(isListened()).to.equal(false);
  });
});
