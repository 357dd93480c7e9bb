import { once } from "node:events";
import { connect } from "node:net";
import { expect } from "chai";
import { createResponse } from "../../node/sip/message/build.ts";
import type { SourceRules } from "../../node/sip/transport/sources.ts";
import { eventually } from "../helpers/eventually.ts";
import { VirtualTime } from "../helpers/virtual-time.ts";
import type { Flow } from "../../node/sip/stack.ts";
import type { TestStack } from "./harness.ts";
import { Inbox, rawClient, rawRequest, startStack } from "./harness.ts";

const RULES: SourceRules = {
  connections: 100,
  connectionsPerSource: 3,
  connectionsPerSecond: 2,
  burstConnections: 5,
  messagesPerSecond: 10,
  burstMessages: 5,
  octetsPerMessage: 2048,
  remembered: 100,
  isExempt: () => false,
};

describe("one source that sends too much", () => {
  const time = new VirtualTime();
  let server: TestStack;

  beforeEach(async () => {
    server = await startStack(["UDP", "TCP", "TLS", "WS", "WSS"], { sources: RULES, clock: time, timers: time });
  });

  afterEach(() => server.stack.stop());

  const request = (i: number) => rawRequest({ branch: `z9hG4bK-${i}`, callId: String(i) });

  it("over UDP is served its share, told 503 with Retry-After once, and then ignored until it has calmed down", async () => {
    const peer = await rawClient(server.address("UDP"));
    for (let i = 0; i < 20; i++) peer.send(request(i));
    for (let i = 0; i < RULES.burstMessages; i++) await server.requests.next();
    const refusal = await peer.received.next();
    expect(refusal)
      .to.match(/^SIP\/2\.0 503 /)
      .and.to.match(/\r\nRetry-After: \d+\r\n/);
    await eventually(
      () => server.counters.get("sip.flood_dropped") === 20 - RULES.burstMessages - 1,
      "the rest is dropped",
    );
    expect(server.counters.get("sip.flood_refused")).to.equal(1);
    expect(peer.received.unread).to.equal(0);
    await time.advance(1000);
    peer.send(request(21));
    const { request: served } = await server.requests.next();
    expect(served.headers.get("Call-ID")).to.equal("21");
    peer.close();
  });

  for (const transport of ["TCP", "TLS", "WS", "WSS"] as const) {
    it(`over ${transport} is read as slowly as it may send, and loses nothing`, async () => {
      const peer = await rawClient(server.address(transport));
      const count = 30;
      // One by one: what arrives in one piece is served as one piece, and waited for afterwards.
      for (let i = 0; i < count; i++) {
        peer.send(request(i));
        const next = server.requests.next();
        let isServed = false;
        void next.then(() => (isServed = true));
        const startMs = time.monotonicMs();
        while (!isServed) {
          await time.advance(10);
          if (time.monotonicMs() - startMs > 60_000) throw new Error(`request ${i} was not served`);
        }
        const { request: served } = await next;
        expect(served.headers.get("Call-ID")).to.equal(String(i));
      }
      expect(server.counters.get("sip.flood_slowed")).to.be.greaterThan(0);
      peer.close();
    });

    it(`over ${transport} gets no more connections than it may have, and can come again when it has closed one`, async () => {
      const peers = [];
      for (let i = 0; i < RULES.connectionsPerSource; i++) peers.push(await rawClient(server.address(transport)));
      const { address, port } = server.address(transport);
      const refused = connect(port, address);
      refused.on("error", () => {});
      await once(refused, "close");
      expect(server.counters.get("sip.connections_refused")).to.equal(1);
      peers[0]?.send(request(0));
      const incoming = await server.requests.next();
      incoming.respond(createResponse(incoming.request, 200));
      await peers[0]?.received.next();
      const [first, ...others] = peers;
      const closed = new Inbox<Flow>();
      server.stack.onFlowClosed((flow) => closed.put(flow));
      first?.close();
      await closed.next();
      const again = await rawClient(server.address(transport));
      again.send(request(1));
      await server.requests.next();
      for (const peer of [...others, again]) peer.close();
    });

    it(`over ${transport} makes no new connections faster than it may, and some again in time`, async () => {
      const closed = new Inbox<Flow>();
      server.stack.onFlowClosed((flow) => closed.put(flow));
      for (let i = 0; i < RULES.burstConnections; i++) {
        const peer = await rawClient(server.address(transport));
        peer.send(request(i));
        await server.requests.next();
        peer.close();
        await closed.next();
      }
      const { address, port } = server.address(transport);
      const refused = connect(port, address);
      refused.on("error", () => {});
      await once(refused, "close");
      expect(server.counters.get("sip.connections_refused")).to.equal(1);
      await time.advance(1000);
      const again = await rawClient(server.address(transport));
      again.send(request(RULES.burstConnections));
      await server.requests.next();
      again.close();
    });
  }
});
