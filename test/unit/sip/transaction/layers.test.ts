import { expect } from "chai";
import fc from "fast-check";
import { createCounters } from "../../../../node/runtime/metrics.ts";
import { createRequest, createResponse } from "../../../../node/sip/message/build.ts";
import type { SipRequest } from "../../../../node/sip/message/message.ts";
import { topVia } from "../../../../node/sip/message/validate-request.ts";
import type { Flow, IncomingRequest } from "../../../../node/sip/stack.ts";
import { Scheduler } from "../../../../node/runtime/scheduler.ts";
import { ServerTransactions } from "../../../../node/sip/transaction/server-transactions.ts";
import { RFC3261_TIMERS } from "../../../../node/sip/transaction/timer-settings.ts";
import { VirtualTime } from "../../../helpers/virtual-time.ts";
import { CAPACITY, pair, request, TCP, UDP } from "./pair.ts";

describe("client and server transactions together", () => {
  it("carry a request once and its answer back, whatever the network loses, repeats and reorders", async () => {
    const fate = fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fate, { maxLength: 40 }),
        fc.nat(6000),
        fc.boolean(),
        async (fates, thinkingMs, isInvite) => {
          const { time, clients, servers, handled } = pair(fates, UDP, (incoming, its) => {
            its.after(thinkingMs, () => incoming.respond(createResponse(incoming.request, 486)));
          });
          const controller = new AbortController();
          const answer = clients.send(
            request(isInvite ? "INVITE" : "MESSAGE"),
            UDP,
            isInvite ? { signal: controller.signal } : {},
          );
          // A caller whose callee was heard of once and then never again hangs up at some time.
          if (isInvite) time.after(70_000, () => controller.abort());
          const { status } = await time.until(answer);
          expect(status).to.be.oneOf([486, 408, 487]);
          await time.advance(200_000);
          expect(
            handled.filter((each) => each.request.method !== "ACK" && each.request.method !== "CANCEL").length,
          ).to.be.at.most(1);
          expect([clients.size, servers.size]).to.deep.equal([0, 0]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("serve a request once, though the answers to it could not be sent for a while", () => {
    for (const method of ["INVITE", "MESSAGE"]) {
      const time = new VirtualTime();
      const handled: IncomingRequest[] = [];
      const sent: string[] = [];
      let isBlocked = true;
      const servers = new ServerTransactions({
        scheduler: new Scheduler(time, time),
        counters: createCounters(),
        timers: RFC3261_TIMERS,
        isReliable: () => false,
        capacity: CAPACITY,
        transmit: (_path, bytes, failed) =>
          isBlocked ? failed("EPERM") : void sent.push(Buffer.from(bytes).toString().slice(0, 11)),
        sheds: () => false,
        deliver: (incoming) => void handled.push(incoming),
        answerStateless: () => {},
      });
      const one = request(method);
      servers.receive(one, topVia(one), UDP);
      handled[0]?.respond(createResponse(one, 486));
      isBlocked = false;
      servers.receive(one, topVia(one), UDP);
      expect(handled).to.have.length(1);
      expect(sent).to.deep.equal(["SIP/2.0 486"]);
      servers.stop();
    }
  });

  it("take a CANCEL from where its INVITE came from, over another connection too, and from nobody else who knows its Via", () => {
    const elsewhere = { ...TCP, address: "192.0.2.66" };
    const sameHost = { ...TCP, port: 7777 };
    for (const transport of ["TCP", "UDP"] as const) {
      const time = new VirtualTime();
      const delivered: string[] = [];
      const refused: number[] = [];
      let isCancelled = false;
      const servers = new ServerTransactions({
        scheduler: new Scheduler(time, time),
        counters: createCounters(),
        timers: RFC3261_TIMERS,
        isReliable: () => transport === "TCP",
        capacity: CAPACITY,
        transmit: () => {},
        sheds: () => false,
        deliver(incoming) {
          delivered.push(incoming.request.method);
          incoming.onCancel(() => (isCancelled = true));
        },
        answerStateless: (_request, _path, status) => refused.push(status),
      });
      const invite = request("INVITE");
      servers.receive(invite, topVia(invite), { ...TCP, transport });
      const cancel = { ...invite, method: "CANCEL", headers: invite.headers.clone().set("CSeq", "1 CANCEL") };
      servers.receive(cancel, topVia(cancel), { ...elsewhere, transport });
      expect([isCancelled, delivered, refused]).to.deep.equal([false, ["INVITE"], [481]]);
      // It is no retransmission of the other.
      servers.receive(cancel, topVia(cancel), { ...sameHost, transport });
      expect([isCancelled, delivered]).to.deep.equal([true, ["INVITE"]]);
      servers.stop();
    }
  });

  it("answer again to where the request comes from this time, as a NAT may have forgotten the port of before, but to no other address", () => {
    const time = new VirtualTime();
    const places: unknown[] = [];
    const served: IncomingRequest[] = [];
    const servers = new ServerTransactions({
      scheduler: new Scheduler(time, time),
      counters: createCounters(),
      timers: RFC3261_TIMERS,
      isReliable: () => false,
      capacity: CAPACITY,
      transmit: ({ flow }, bytes) => void places.push([flow, Buffer.from(bytes).toString().slice(0, 11)]),
      sheds: () => false,
      deliver(incoming) {
        served.push(incoming);
        incoming.respond(createResponse(incoming.request, 200));
      },
      answerStateless: () => {},
    });
    const one = request();
    const elsewhere = { ...UDP, port: 7777 };
    for (const flow of [UDP, UDP, elsewhere, { ...UDP, address: "192.0.2.66" }])
      servers.receive(one, topVia(one), flow);
    expect(places).to.deep.equal([UDP, UDP, elsewhere].map((flow) => [flow, "SIP/2.0 200"]));
    expect(served).to.have.lengthOf(1);
    servers.stop();
  });

  it("forget everything 64·T1 after the answer", async () => {
    const { time, clients, servers, handled } = pair();
    const answer = clients.send(request(), UDP);
    await time.advance(2);
    expect(servers.pending).to.equal(1);
    handled[0]?.respond(createResponse(handled[0].request, 200));
    expect((await time.until(answer)).status).to.equal(200);
    expect(servers.pending).to.equal(0);
    expect([clients.size, servers.size]).to.deep.equal([1, 1]);
    await time.advance(5_100);
    expect([clients.size, servers.size]).to.deep.equal([0, 1]);
    await time.advance(27_000);
    expect(servers.size).to.equal(0);
  });

  it("keep nothing after the answer over a reliable transport", async () => {
    const { time, clients, servers, handled } = pair([], TCP);
    const answer = clients.send(request(), TCP);
    await time.advance(2);
    handled[0]?.respond(createResponse(handled[0].request, 200));
    await time.until(answer);
    expect([clients.size, servers.size]).to.deep.equal([0, 0]);
  });

  it("resolve with a local 408 when nobody answers", async () => {
    const { time, clients, handled, onWire, servers } = pair(Array.from({ length: 20 }, () => []));
    const sent = request();
    const response = await time.until(clients.send(sent, UDP));
    expect(response.status).to.equal(408);
    expect(response.headers.get("Aorta-Local")).to.equal("1");
    expect(response.headers.get("Call-ID")).to.equal(sent.headers.get("Call-ID"));
    expect(response.headers.has("Via")).to.equal(false);
    expect(onWire).to.have.length(11);
    expect(handled).to.have.length(0);
    expect(servers.size).to.equal(0);
  });

  it("say nothing to a client that has given up", async () => {
    const { time, clients, servers, handled, onWire, counters } = pair([], TCP);
    const answer = clients.send(request(), TCP);
    await time.advance(33_000);
    expect((await answer).status).to.equal(408);
    expect(counters.get("sip.unanswered")).to.equal(1);
    handled[0]?.respond(createResponse(handled[0].request, 200));
    expect(onWire).to.deep.equal(["MESSAGE sip:alice@example.com SIP/2.0"]);
    expect(servers.size).to.equal(0);
  });

  it("answer 100 to a slow non-INVITE request when its retransmissions have slowed down, and never 408", async () => {
    const { time, clients, handled, onWire } = pair();
    void clients.send(request(), UDP);
    await time.advance(3600);
    expect(onWire.filter((line) => line.startsWith("MESSAGE"))).to.have.length(4);
    expect(onWire.filter((line) => line.startsWith("SIP"))).to.deep.equal(["SIP/2.0 100 Trying"]);
    handled[0]?.respond(createResponse(handled[0].request, 180));
    handled[0]?.respond(createResponse(handled[0].request, 408));
    await time.advance(10);
    expect(onWire.filter((line) => line.startsWith("SIP"))).to.deep.equal(["SIP/2.0 100 Trying"]);
  });

  it("end the wait when the time of whoever asked is over, and take no notice of what comes later", async () => {
    const { time, clients, handled } = pair();
    const answer = clients.send(request(), UDP, { withinMs: 20 });
    await time.advance(19);
    expect(clients.size).to.equal(1);
    expect((await time.until(answer)).status).to.equal(408);
    expect(clients.size).to.equal(0);
    handled[0]?.respond(createResponse(handled[0].request, 200));
    await time.advance(40_000);
    expect(clients.size).to.equal(0);
  });

  it("fail what waits for a connection that closes, and nothing else", async () => {
    const { time, clients } = pair([], TCP);
    const other: Flow = { ...TCP, port: 5061 };
    const [lost, kept] = [clients.send(request(), TCP), clients.send(request(), other)];
    await time.advance(5);
    clients.flowClosed({ ...TCP, connection: "c1" });
    const { status, headers } = await lost;
    expect([status, headers.get("Aorta-Local")], "the peer may have it").to.deep.equal([503, "cut-off"]);
    expect(clients.size).to.equal(1);
    clients.flowClosed(other);
    expect((await kept).status).to.equal(503);
  });
});

describe("a request whose connection closes before its answer, and whose peer is reached by another", () => {
  const OTHER: Flow = { ...TCP, port: 5061 };

  for (const method of ["MESSAGE", "INVITE"]) {
    it(`is a retransmission there to who has it: ${method}`, async () => {
      const { time, clients, handled, onWire } = pair([], TCP);
      const asked: Flow[] = [];
      const reachedAgain = (closed: Flow) => {
        asked.push(closed);
        return Promise.resolve(OTHER);
      };
      const answer = clients.send(request(method), TCP, { reachedAgain });
      await time.advance(5);
      clients.flowClosed(TCP);
      await time.advance(5);
      clients.flowClosed(TCP);
      expect(asked, "it is not there any more").to.deep.equal([TCP]);
      expect(onWire.filter((line) => line.startsWith(method))).to.have.lengthOf(2);
      expect(handled).to.have.lengthOf(1);
      handled[0]!.respond(createResponse(handled[0]!.request, 486));
      expect((await time.until(answer)).status).to.equal(486);
      expect(clients.size).to.equal(0);
    });
  }

  it("takes an answer that comes before it is known where the peer is, and fails where it is nowhere", async () => {
    const { time, clients, handled, onWire } = pair([], TCP);
    const known = Promise.withResolvers<Flow | undefined>();
    const [early, lost] = [true, false].map(() => clients.send(request(), TCP, { reachedAgain: () => known.promise }));
    await time.advance(5);
    clients.flowClosed(TCP);
    handled[0]!.respond(createResponse(handled[0]!.request, 200));
    expect((await time.until(early!)).status).to.equal(200);
    known.resolve(undefined);
    const { status, headers } = await lost!;
    expect([status, headers.get("Aorta-Local")]).to.deep.equal([503, "cut-off"]);
    expect(
      onWire.filter((line) => line.startsWith("MESSAGE")),
      "nothing again",
    ).to.have.lengthOf(2);
    expect(clients.size).to.equal(0);
  });

  it("is not sent again where its caller has given up before it was heard of", async () => {
    const { time, clients, onWire } = pair([], TCP);
    const caller = new AbortController();
    const answer = clients.send(request("INVITE"), TCP, {
      signal: caller.signal,
      reachedAgain: () => Promise.resolve(OTHER),
    });
    clients.flowClosed(TCP);
    caller.abort();
    expect((await time.until(answer)).status).to.equal(503);
    expect(onWire).to.deep.equal(["INVITE sip:alice@example.com SIP/2.0"]);
  });
});

describe("INVITE transactions together", () => {
  it("ring, are refused, and the refusal is acknowledged below the user", async () => {
    const { time, clients, servers, handled, onWire } = pair();
    const provisional: number[] = [];
    const answer = clients.send(request("INVITE"), UDP, {
      onProvisional: ({ status }) => void provisional.push(status),
    });
    await time.advance(2);
    handled[0]?.respond(createResponse(handled[0].request, 180));
    await time.advance(60_000);
    handled[0]?.respond(createResponse(handled[0].request, 486));
    expect((await time.until(answer)).status).to.equal(486);
    await time.advance(40_000);
    expect(provisional).to.deep.equal([180]);
    expect(handled).to.have.length(1);
    expect(onWire).to.deep.equal([
      "INVITE sip:alice@example.com SIP/2.0",
      "SIP/2.0 180 Ringing",
      "SIP/2.0 486 Busy Here",
      "ACK sip:alice@example.com SIP/2.0",
    ]);
    expect([clients.size, servers.size]).to.deep.equal([0, 0]);
  });

  it("get a 100 when nobody answers for 200 ms", async () => {
    const { time, clients, onWire } = pair();
    void clients.send(request("INVITE"), UDP);
    await time.advance(250);
    expect(onWire).to.deep.equal(["INVITE sip:alice@example.com SIP/2.0", "SIP/2.0 100 Trying"]);
  });

  it("are cancelled when the signal aborts, but not before a provisional response", async () => {
    const { time, clients, servers, handled, onWire } = pair();
    const controller = new AbortController();
    const answer = clients.send(request("INVITE"), UDP, { signal: controller.signal });
    await time.advance(2);
    controller.abort();
    await time.advance(2);
    expect(onWire).to.have.length(1);
    handled[0]?.respond(createResponse(handled[0].request, 180));
    expect((await time.until(answer)).status).to.equal(487);
    await time.advance(40_000);
    expect(onWire.slice(2)).to.deep.equal([
      "CANCEL sip:alice@example.com SIP/2.0",
      "SIP/2.0 200 OK",
      "SIP/2.0 487 Request Terminated",
      "ACK sip:alice@example.com SIP/2.0",
    ]);
    expect(handled).to.have.length(1);
    expect([clients.size, servers.size]).to.deep.equal([0, 0]);
  });

  it("are cancelled for the reason that the signal gives, and for none that nobody gave", async () => {
    const given = 'SIP;cause=200;text="Call completed elsewhere"';
    for (const reason of [given, undefined]) {
      const { time, clients, handled } = pair();
      const controller = new AbortController();
      const answer = clients.send(request("INVITE"), UDP, { signal: controller.signal });
      await time.advance(2);
      const heard: (string | undefined)[] = [];
      handled[0]?.onCancel((why) => {
        heard.push(why);
        handled[0]?.respond(createResponse(handled[0].request, 487));
      });
      handled[0]?.respond(createResponse(handled[0].request, 180));
      await time.advance(2);
      controller.abort(reason);
      expect((await time.until(answer)).status).to.equal(487);
      expect(heard).to.deep.equal([reason]);
    }
  });

  it("copy Timestamp into the 100, by which clients measure the round trip", async () => {
    const { time, clients } = pair();
    const invite = request("INVITE");
    invite.headers.append("Timestamp", "54.2");
    const heard: (string | undefined)[] = [];
    void clients.send(invite, UDP, {
      onProvisional: ({ status, headers }) => heard.push(`${status}`, headers.get("Timestamp")),
    });
    await time.advance(300);
    expect(heard).to.deep.equal(["100", "54.2"]);
  });

  it("go on ringing though a datagram could not be sent, and end where a connection is gone", () => {
    for (const [flow, isCancelled] of [
      [UDP, false],
      [TCP, true],
    ] as const) {
      const time = new VirtualTime();
      const handled: IncomingRequest[] = [];
      const servers = new ServerTransactions({
        scheduler: new Scheduler(time, time),
        counters: createCounters(),
        timers: RFC3261_TIMERS,
        isReliable: ({ transport }) => transport !== "UDP",
        capacity: CAPACITY,
        transmit: (_path, _bytes, failed) => failed("ENETUNREACH"),
        sheds: () => false,
        deliver: (incoming) => void handled.push(incoming),
        answerStateless: () => {},
      });
      const invite = request("INVITE");
      servers.receive(invite, topVia(invite), flow);
      let cancels = 0;
      handled[0]?.onCancel(() => cancels++);
      handled[0]?.respond(createResponse(invite, 180));
      expect([cancels, servers.pending]).to.deep.equal(isCancelled ? [1, 0] : [0, 1]);
      servers.stop();
    }
  });

  it("hand up every reason of a CANCEL, in one field or several", () => {
    const { servers, handled } = pair();
    const invite = request("INVITE");
    servers.receive(invite, topVia(invite), UDP);
    const heard: (string | undefined)[] = [];
    handled[0]?.onCancel((why) => heard.push(why));
    const cancel = { ...invite, method: "CANCEL", headers: invite.headers.clone() };
    cancel.headers.set("CSeq", "1 CANCEL");
    cancel.headers.append("Reason", "SIP;cause=487").append("Reason", "Q.850;cause=16, FOO;cause=1");
    servers.receive(cancel, topVia(cancel), UDP);
    expect(heard).to.deep.equal(["SIP;cause=487, Q.850;cause=16, FOO;cause=1"]);
  });

  it("hand up a CANCEL that belongs to none", async () => {
    const { time, clients, handled } = pair();
    const answer = clients.send(request("CANCEL"), UDP);
    await time.advance(2);
    expect(handled[0]?.request.method).to.equal("CANCEL");
    handled[0]?.respond(createResponse(handled[0].request, 481));
    expect((await time.until(answer)).status).to.equal(481);
  });

  it("hand up the ACK to a 2xx, which has a branch of its own", async () => {
    const { time, servers, clients, handled } = pair();
    const answer = clients.send(request("INVITE"), UDP);
    await time.advance(2);
    handled[0]?.respond(createResponse(handled[0].request, 200));
    await time.until(answer);
    const ack = request("ACK");
    servers.receive(ack, topVia(ack), UDP);
    expect(handled.map((each) => each.request.method)).to.deep.equal(["INVITE", "ACK"]);
    handled[1]?.respond(createResponse(ack, 200));
  });
});

describe("requests to which their client gives one branch", () => {
  function alike(method: string, cseq: number, callId = "c"): SipRequest {
    return createRequest({
      method,
      uri: "sip:alice@example.com",
      from: "<sip:joe@example.com>;tag=1",
      to: "<sip:alice@example.com>",
      callId,
      cseq,
      headers: [["Via", "SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-always"]],
    });
  }

  it("are told apart by Call-ID and CSeq, and an ACK and a CANCEL find their INVITE", () => {
    const { servers, handled, counters, onWire } = pair();
    const receive = (each: SipRequest) => servers.receive(each, topVia(each), UDP);
    receive(alike("REGISTER", 1));
    handled[0]?.respond(createResponse(alike("REGISTER", 1), 401));
    receive(alike("REGISTER", 2));
    receive(alike("REGISTER", 2, "d"));
    expect(handled).to.have.length(3);
    expect(counters.get("sip.retransmissions_absorbed")).to.equal(0);
    receive(alike("REGISTER", 1));
    expect(handled).to.have.length(3);
    expect(onWire).to.deep.equal(["SIP/2.0 401 Unauthorized", "SIP/2.0 401 Unauthorized"]);
    receive(alike("INVITE", 3));
    receive(alike("CANCEL", 3));
    receive(alike("ACK", 3));
    expect(handled.map((each) => each.request.method)).to.deep.equal(["REGISTER", "REGISTER", "REGISTER", "INVITE"]);
    expect(onWire.slice(2)).to.have.members(["SIP/2.0 200 OK", "SIP/2.0 487 Request Terminated"]);
  });
});

describe("requests of RFC 2543, without branches of RFC 3261", () => {
  function old(method: string, changes: { cseq?: number; to?: string } = {}): SipRequest {
    return createRequest({
      method,
      uri: "sip:alice@example.com",
      from: "<sip:joe@example.com>;tag=1",
      to: changes.to ?? "<sip:alice@example.com>",
      callId: "c",
      cseq: changes.cseq ?? 1,
      headers: [["Via", "SIP/2.0/UDP 127.0.0.1:5070"]],
    });
  }

  it("are told apart by Call-ID, CSeq and tags, and an ACK finds its INVITE", async () => {
    const { time, servers, handled, counters } = pair();
    const receive = (each: SipRequest) => servers.receive(each, topVia(each), UDP);
    receive(old("INVITE"));
    receive(old("INVITE"));
    receive(old("INVITE", { cseq: 2 }));
    expect(handled).to.have.length(2);
    expect(counters.get("sip.retransmissions_absorbed")).to.equal(1);
    handled[0]?.respond(createResponse(old("INVITE"), 486));
    receive(old("ACK", { to: "<sip:alice@example.com>;tag=x" }));
    expect(handled).to.have.length(2);
    await time.advance(6000);
    expect(servers.size).to.equal(1);
  });
});

describe("limits of the transactions", () => {
  it("count anew after a stop, and take no late answers", async () => {
    const { servers, time, handled, onWire } = pair([], TCP);
    const one = request();
    servers.receive(one, topVia(one), TCP);
    servers.stop();
    expect([servers.size, servers.pending]).to.deep.equal([0, 0]);
    handled[0]?.respond(createResponse(one, 200));
    await time.advance(40_000);
    expect([servers.size, servers.pending]).to.deep.equal([0, 0]);
    expect(onWire).to.deep.equal([]);
  });

  it("answer 503 without keeping state when too many requests are being served", async () => {
    const { servers, time, refused } = pair([], TCP);
    for (let i = 0; i < CAPACITY.pending + 3; i++) {
      const each = request();
      servers.receive(each, topVia(each), TCP);
    }
    expect(refused).to.deep.equal([503, 503, 503]);
    expect(servers.size).to.equal(CAPACITY.pending);
    await time.advance(32_000);
    expect([servers.size, servers.pending]).to.deep.equal([0, 0]);
  });

  it("answer 503 when too many answered requests are kept for their retransmissions", async () => {
    const { servers, time, refused } = pair([], UDP, (incoming) =>
      incoming.respond(createResponse(incoming.request, 200)),
    );
    for (let i = 0; i < CAPACITY.kept + 2; i++) {
      const each = request();
      servers.receive(each, topVia(each), UDP);
    }
    expect(refused).to.deep.equal([503, 503]);
    expect([servers.size, servers.pending]).to.deep.equal([CAPACITY.kept, 0]);
    await time.advance(32_000);
    expect(servers.size).to.equal(0);
  });

  it("forget the requests answered longest ago for new ones, once their clients must have the answer", async () => {
    const { servers, time, refused, handled, counters } = pair([], UDP, (incoming) =>
      incoming.respond(createResponse(incoming.request, 200)),
    );
    const requests = Array.from({ length: CAPACITY.kept + 1 }, () => request());
    const receive = (each: SipRequest) => servers.receive(each, topVia(each), UDP);
    for (const each of requests.slice(0, 5)) receive(each);
    await time.advance(7_999);
    for (const each of requests.slice(5)) receive(each);
    expect(refused).to.deep.equal([503]);
    await time.advance(1);
    for (let i = 0; i < 7; i++) receive(request());
    expect(refused).to.deep.equal([503, 503, 503]);
    expect(servers.size).to.equal(CAPACITY.kept);
    expect(counters.get("sip.forgotten_early")).to.equal(5);
    // Those answered later are still there.
    const before = handled.length;
    for (const each of requests.slice(5, -1)) receive(each);
    expect(handled.length).to.equal(before);
    await time.advance(32_000);
    expect(servers.size).to.equal(0);
  });

  it("fail with a local 503 when too many requests to one destination wait for answers, and leave room for others", async () => {
    const { clients, counters } = pair([], TCP);
    const { clients: capacity } = CAPACITY;
    const answers = Array.from({ length: capacity / 2 }, () => clients.send(request(), TCP));
    const tooMany = await clients.send(request(), TCP);
    expect(tooMany.status).to.equal(503);
    expect(tooMany.headers.get("Aorta-Local")).to.equal("1");
    expect(tooMany.headers.has("Retry-After"), "it is for now").to.equal(true);
    // What is free is shared in the same way, to the last.
    for (let port = 1; answers.length < capacity; port++) {
      const share = Math.max(1, Math.floor((capacity - answers.length) / 2));
      for (let i = 0; i < share; i++) answers.push(clients.send(request(), { ...TCP, port }));
    }
    expect(counters.get("sip.client_overload")).to.equal(1);
    expect((await clients.send(request(), { ...TCP, port: 9 })).status).to.equal(503);
    clients.stop();
    const statuses = await Promise.all(answers.map(async (answer) => (await answer).status));
    expect(new Set(statuses)).to.deep.equal(new Set([503]));
    expect(clients.size).to.equal(0);
  });

  it("fail with a local 503 when requests to one destination have too many octets, whatever their number, and leave room for others", async () => {
    const { clients } = pair([], TCP);
    const long = () => ({ ...request(), body: Buffer.alloc(CAPACITY.clientOctets / 5) });
    const waiting = [clients.send(long(), TCP), clients.send(long(), TCP)];
    expect((await clients.send(long(), TCP)).status).to.equal(503);
    waiting.push(clients.send(long(), { ...TCP, port: 2 }), clients.send(request(), { ...TCP, port: 3 }));
    clients.stop();
    expect(await Promise.all(waiting.map(async (answer) => (await answer).headers.has("Retry-After")))).to.deep.equal(
      waiting.map(() => false),
    );
  });

  it("remember a refusal until it is acknowledged as long as there is room, the long ones for less long than the others", async () => {
    const time = new VirtualTime();
    let served = 0;
    const servers = new ServerTransactions({
      scheduler: new Scheduler(time, time),
      counters: createCounters(),
      timers: RFC3261_TIMERS,
      isReliable: () => false,
      capacity: CAPACITY,
      transmit: () => {},
      sheds: () => false,
      deliver(incoming) {
        served++;
        const body = incoming.request.headers.has("Subject") ? "x".repeat(CAPACITY.answers / 1000) : "";
        incoming.respond(createResponse(incoming.request, 486, { body }));
      },
      answerStateless: () => {},
    });
    const [long, short] = [request("INVITE"), request("INVITE")];
    long.headers.set("Subject", "at length");
    for (const invite of [long, short, long, short]) servers.receive(invite, topVia(invite), UDP);
    expect([served, servers.size]).to.deep.equal([3, 1]);
    await time.advance(40_000);
    expect(servers.size).to.equal(0);
  });

  it("count requests until they are answered, and not as long as they are remembered", async () => {
    const { clients, time, counters } = pair([], UDP, (incoming) =>
      incoming.respond(createResponse(incoming.request, 200)),
    );
    for (let i = 0; i <= CAPACITY.clients; i++) {
      expect((await time.until(clients.send(request(), UDP))).status).to.equal(200);
    }
    expect(clients.size).to.be.greaterThan(CAPACITY.clients);
    expect(counters.get("sip.client_overload")).to.equal(0);
  });
});
