import { once } from "node:events";
import { request } from "node:http";
import type { Socket } from "node:net";
import { expect } from "chai";
import { limits } from "../../node/runtime/limits.ts";
import { createRequest } from "../../node/sip/message/build.ts";
import type { Flow } from "../../node/sip/stack.ts";
import { settle, VirtualTime } from "../helpers/virtual-time.ts";
import { Inbox, outgoing, rawClient, rawRequest, startStack } from "./harness.ts";

describe("a stream connection", () => {
  /** A stack whose time is the test's, and a client of it. */
  async function setUp(transport: "TCP" | "TLS" | "WS" | "WSS" = "TCP") {
    const time = new VirtualTime();
    const server = await startStack([transport], { clock: time, timers: time });
    const closed = new Inbox<Flow>();
    server.stack.onFlowClosed((flow) => closed.put(flow));
    const peer = await rawClient(server.address(transport));
    return { time, server, peer, closed };
  }

  for (const transport of ["TCP", "TLS"] as const) {
    it(`over ${transport} that never sends a message is closed`, async () => {
      const { time, server, peer } = await setUp(transport);
      peer.send("\r\n\r\n");
      await peer.received.next();
      await time.advance(limits.sip.partialMessageMs);
      await peer.closed;
      await server.stack.stop();
    });
  }

  it("whose keep-alive comes in pieces stays open", async () => {
    const { time, server, peer } = await setUp();
    peer.send(rawRequest({ via: "SIP/2.0/TCP client.invalid" }));
    await server.requests.next();
    const deadlines = new Inbox<number>();
    const after = time.after.bind(time);
    time.after = (delayMs, wake) => {
      if (delayMs === limits.sip.partialMessageMs) deadlines.put(delayMs);
      return after(delayMs, wake);
    };
    peer.send("\r");
    await deadlines.next();
    peer.send("\n\r\n");
    expect(await peer.received.next()).to.equal("\r\n");
    await time.advance(2 * limits.sip.partialMessageMs);
    peer.send(rawRequest({ via: "SIP/2.0/TCP client.invalid", branch: "z9hG4bK2" }));
    await server.requests.next();
    await server.stack.stop();
  });

  for (const transport of ["WS", "WSS"] as const) {
    it(`over ${transport} that never sends a frame is closed`, async () => {
      const { time, server, peer } = await setUp(transport);
      await time.advance(limits.sip.partialMessageMs);
      await peer.closed;
      await server.stack.stop();
    });
  }

  it("over WS whose sender stretches a frame beyond its time is closed, and between frames it stays open", async () => {
    const { time, server } = await setUp("WS");
    const { address, port } = server.address("WS");
    const upgrade = request({
      host: address,
      port,
      headers: {
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
        "Sec-WebSocket-Protocol": "sip",
      },
    }).end();
    const [, socket] = (await once(upgrade, "upgrade")) as [unknown, Socket];
    // RFC 6455 §5.2: a text frame of less than 64 KiB, its mask all zeros.
    const frame = (text: string) => {
      const head = Buffer.from([0x81, 0xfe, 0, 0, 0, 0, 0, 0]);
      head.writeUInt16BE(text.length, 2);
      return Buffer.concat([head, Buffer.from(text)]);
    };
    socket.write(frame(rawRequest()));
    await server.requests.next();
    await time.advance(10 * limits.sip.partialMessageMs);
    const second = frame(rawRequest({ branch: "z9hG4bK2" }));
    socket.write(second);
    await server.requests.next();
    socket.write(second.subarray(0, 20));
    socket.on("error", () => {});
    // An octet now and then, which makes the frame whole long after its time.
    for (let at = 20; at < second.length - 1 && !socket.destroyed; at++) {
      socket.write(second.subarray(at, at + 1));
      await time.advance(limits.sip.partialMessageMs / 10);
    }
    expect(socket.destroyed).to.equal(true);
    expect(server.requests.unread).to.equal(0);
    await server.stack.stop();
  });

  it("whose sender stretches a message beyond its time is closed", async () => {
    const { time, server, peer } = await setUp();
    peer.send(rawRequest());
    const { flow } = await server.requests.next();
    const answer = server.stack.send(outgoing(), flow);
    await time.advance(limits.sip.partialMessageMs - 1);
    // The first octets of the next message have arrived when the whole one before them has.
    peer.send(`${rawRequest({ branch: "z9hG4bK2" })}OPTIONS`);
    await server.requests.next();
    await time.advance(limits.sip.partialMessageMs / 2);
    peer.send(" sip:");
    await time.advance(limits.sip.partialMessageMs / 2);
    await peer.closed;
    expect((await answer).status).to.equal(503);
    await server.stack.stop();
  });

  it("stays open between messages", async () => {
    const { time, server, peer } = await setUp();
    peer.send(rawRequest());
    await server.requests.next();
    await time.advance(10 * limits.sip.partialMessageMs);
    peer.send(rawRequest({ branch: "z9hG4bK2" }));
    await server.requests.next();
    peer.close();
    await server.stack.stop();
  });

  for (const transport of ["TCP", "WS"] as const) {
    it(`over ${transport} whose peer does not read is closed before its messages fill the memory`, async () => {
      const { server, peer, closed } = await setUp(transport);
      peer.send(rawRequest());
      const { flow } = await server.requests.next();
      peer.pause();
      const big = createRequest({
        method: "MESSAGE",
        uri: "sip:a@b",
        from: "<sip:a@b>;tag=1",
        to: "<sip:a@b>",
        body: "x".repeat(60_000),
      });
      let failed = 0;
      const answers: Promise<void>[] = [];
      // The kernel's buffers hold some megabytes as well.
      for (let i = 0; i < 1000 && failed === 0; i++) {
        answers.push(server.stack.send(big, flow).then((response) => void (failed += response.status === 503 ? 1 : 0)));
        await settle();
      }
      expect(await closed.next()).to.deep.equal(flow);
      await Promise.all(answers);
      expect(failed).to.equal(answers.length);
      peer.close();
      await server.stack.stop();
    });
  }
});
