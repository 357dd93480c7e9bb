import { once } from "node:events";
import { connect } from "node:net";
import { expect } from "chai";
import { WebSocket } from "ws";
import { limits } from "../../node/runtime/limits.ts";
import { systemClock } from "../../node/runtime/clock.ts";
import { silentLogger } from "../../node/runtime/logger.ts";
import { createCounters } from "../../node/runtime/metrics.ts";
import { systemTimers } from "../../node/runtime/timers.ts";
import type { ListenAddress } from "../../node/sip/stack.ts";
import { Backlogs } from "../../node/sip/transport/backlog.ts";
import { MachineAddresses } from "../../node/sip/transport/machine-addresses.ts";
import { Sources, sourceRules } from "../../node/sip/transport/sources.ts";
import { Transports } from "../../node/sip/transport/transports.ts";
import { eventually } from "../helpers/eventually.ts";
import type { TestStack } from "./harness.ts";
import { rawClient, rawRequest, startStack } from "./harness.ts";

describe("answers to keep-alives", () => {
  for (const transport of ["TCP", "WS"] as const) {
    it(`over ${transport} count as what waits for a peer: one that does not read them is closed`, async () => {
      const counters = createCounters();
      const transports = new Transports([{ transport, address: "127.0.0.1", port: 0 }], undefined, {
        events: { received() {}, excess() {}, broken() {}, closed() {}, unproven() {} },
        clock: systemClock,
        timers: systemTimers,
        counters,
        sources: new Sources(sourceRules()),
        // Room for one: what comes in one piece is answered before anything leaves.
        unfinished: new Backlogs(limits.sip.unfinished),
        backlogs: new Backlogs({ perConnection: 300, inAll: 1_000_000 }),
        isTrusted: () => false,
        isProxy: () => false,
        machine: new MachineAddresses(),
        logger: silentLogger,
      });
      await transports.start();
      const peer = await rawClient(transports.listening()[0] as ListenAddress);
      // Or reset, where it has sent more than was read.
      const closed = peer.closed.catch(() => {});
      peer.send("\r\n\r\n");
      expect(await peer.received.next()).to.equal("\r\n");
      // Sent in one turn of the event loop, so they arrive together sooner or later.
      while (counters.get("sip.connections_unread") === 0) {
        for (let i = 0; i < 50; i++) peer.send("\r\n\r\n");
        await new Promise((resolve) => setImmediate(resolve));
      }
      await closed;
      await transports.stop();
    });
  }
});

describe("a WebSocket listener", () => {
  let server: TestStack;

  beforeEach(async () => (server = await startStack(["WS"])));
  afterEach(() => server.stack.stop());

  it("closes on who was refused, though they leave their end open", async () => {
    const { address, port } = server.address("WS");
    const refused = connect({ host: address, port, allowHalfOpen: true }).on("error", () => {});
    refused.write(
      [
        "GET / HTTP/1.1",
        "Host: x",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
        "",
        "",
      ].join("\r\n"),
    );
    const [answer] = (await once(refused, "data")) as [Buffer];
    expect(answer.toString()).to.match(/^HTTP\/1.1 400 /);
    await once(refused, "end");
    // Who writes to a closed socket is told so.
    await eventually(() => {
      if (!refused.destroyed) refused.write("x");
      return refused.destroyed;
    }, "the server's end is closed too");
  });

  it("takes a message in several frames, but not in any number of them", async () => {
    const { address, port } = server.address("WS");
    const text = rawRequest();
    const peer = new WebSocket(`ws://${address}:${port}/`, "sip");
    await once(peer, "open");
    const last = limits.sip.messageFrames - 1;
    for (let at = 0; at < last; at++) peer.send(text.slice(at, at + 1), { fin: false });
    peer.send(text.slice(last));
    await server.requests.next();
    for (let at = 0; at <= limits.sip.messageFrames; at++) peer.send("x", { fin: false });
    const [code] = (await once(peer, "close")) as [number];
    expect(code).to.equal(1008);
  });
});
