import { once } from "node:events";
import { request } from "node:http";
import { request as requestTls } from "node:https";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { expect } from "chai";
import { limits } from "../../node/runtime/limits.ts";
import { createRequest, createResponse } from "../../node/sip/message/build.ts";
import type { Flow, ListenAddress, SocketFlow } from "../../node/sip/stack.ts";
import { sourceRules } from "../../node/sip/transport/sources.ts";
import { loopbackCertificate } from "../helpers/certificates.ts";
import { eventually } from "../helpers/eventually.ts";
import { settle, VirtualTime } from "../helpers/virtual-time.ts";
import { Inbox, outgoing, rawClient, rawRequest, startStack } from "./harness.ts";

/** A connection on which octets can be written as they are, and how a message is written there. */
async function rawPeer({ transport, address, port }: ListenAddress) {
  const { cert: ca } = await loopbackCertificate();
  if (transport === "TCP" || transport === "TLS") {
    const socket: Socket = transport === "TLS" ? connectTls({ host: address, port, ca }) : connect(port, address);
    await once(socket, transport === "TLS" ? "secureConnect" : "connect");
    return { socket: socket.on("error", () => {}), frame: (text: string) => Buffer.from(text) };
  }
  const headers = {
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
    "Sec-WebSocket-Protocol": "sip",
  };
  const where = { host: address, port, headers, ca };
  const upgrade = (transport === "WSS" ? requestTls(where) : request(where)).end();
  const [, socket] = (await once(upgrade, "upgrade")) as [unknown, Socket];
  // RFC 6455 §5.2: a text frame of less than 64 KiB, its mask all zeros.
  const frame = (text: string) => {
    const head = Buffer.from([0x81, 0xfe, 0, 0, 0, 0, 0, 0]);
    head.writeUInt16BE(text.length, 2);
    return Buffer.concat([head, Buffer.from(text)]);
  };
  return { socket: socket.on("error", () => {}), frame };
}

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

  for (const transport of ["TCP", "TLS", "WS", "WSS"] as const) {
    it(`over ${transport} whose client does not show who it is is closed, whatever it says`, async () => {
      const { time, server, peer } = await setUp(transport);
      const stepMs = limits.sip.strangerMs / 8;
      for (let i = 0; i < 8; i++) {
        peer.send(rawRequest({ branch: `z9hG4bK${i}` }));
        const { request, respond } = await server.requests.next();
        respond(createResponse(request, 401));
        await peer.received.next();
        expect(server.counters.get("sip.connections_strange")).to.equal(0);
        await time.advance(stepMs);
      }
      await peer.closed;
      expect(server.counters.get("sip.connections_strange")).to.equal(1);
      await server.stack.stop();
    });

    it(`over ${transport} whose client has shown who it is stays, however little it says`, async () => {
      const { time, server, peer } = await setUp(transport);
      peer.send(rawRequest());
      const { flow } = await server.requests.next();
      server.stack.known(flow as SocketFlow);
      await time.advance(10 * limits.sip.strangerMs);
      peer.send(rawRequest({ branch: "z9hG4bK2" }));
      await server.requests.next();
      peer.close();
      await server.stack.stop();
    });

    it(`over ${transport} of whom most is unfinished is closed where too much is, and no other`, async () => {
      // A framer keeps room for as much again.
      const inAll = transport === "TCP" || transport === "TLS" ? 145_000 : 75_000;
      const server = await startStack([transport], { unfinished: { perConnection: inAll, inAll } });
      type Peer = { readonly socket: Socket; readonly next: Buffer; readonly begun: number };
      const peers: Peer[] = [];
      for (const begun of [25_000, 15_000, 15_000, 15_000]) {
        const { socket, frame } = await rawPeer(server.address(transport));
        const next = frame(
          rawRequest({ method: "MESSAGE", branch: `z9hG4bK${peers.length}b`, body: "x".repeat(45_000) }),
        );
        // A whole message, and in one piece with it the beginning of another.
        socket.write(Buffer.concat([frame(rawRequest({ branch: `z9hG4bK${peers.length}` })), next.subarray(0, begun)]));
        await server.requests.next();
        peers.push({ socket, next, begun });
      }
      const [most, more, ...others] = peers as [Peer, Peer, ...Peer[]];
      const closed = once(most.socket, "close");
      more.socket.write(more.next.subarray(more.begun, 35_000));
      await closed;
      expect(server.counters.get("sip.connections_unfinished")).to.equal(1);
      for (const { socket, next, begun } of [{ ...more, begun: 35_000 }, ...others]) {
        socket.write(next.subarray(begun));
        await server.requests.next();
        socket.destroy();
      }
      await server.stack.stop();
    });
  }

  for (const transport of ["WS", "WSS"] as const) {
    it(`over ${transport} whose sender leaves a message unfinished is closed, though it came with a whole one and pings go between`, async () => {
      const time = new VirtualTime();
      const server = await startStack([transport], { clock: time, timers: time });
      const { socket, frame } = await rawPeer(server.address(transport));
      const next = frame(rawRequest({ branch: "z9hG4bK2", body: "x".repeat(5000) })).subarray(0, 4000);
      next[0] = 0x01;
      socket.write(Buffer.concat([frame(rawRequest()), next]));
      await server.requests.next();
      let isClosed = false;
      socket.on("close", () => (isClosed = true));
      for (let i = 0; i < 12 && !isClosed; i++) await time.advance(limits.sip.partialMessageMs / 10);
      await eventually(() => isClosed, "the connection is closed");
      await server.stack.stop();
    });
  }

  for (const transport of ["WS", "WSS"] as const) {
    it(`over ${transport} whose client has sent many small messages in one piece stays open`, async () => {
      const time = new VirtualTime();
      const server = await startStack([transport], { clock: time, timers: time });
      const { socket, frame } = await rawPeer(server.address(transport));
      const answers = Array.from({ length: 30 }, (_, i) => frame(rawRequest({ branch: `z9hG4bK${i}` })));
      const pings = Array.from({ length: 500 }, () => Buffer.from([0x82, 0x84, 0, 0, 0, 0, 13, 10, 13, 10]));
      socket.write(Buffer.concat([...pings, ...answers]));
      for (const _ of answers) await server.requests.next();
      await time.advance(10 * limits.sip.partialMessageMs);
      socket.write(frame(rawRequest({ branch: "z9hG4bKlater" })));
      await server.requests.next();
      expect(server.counters.get("sip.connections_unfinished")).to.equal(0);
      socket.destroy();
      await server.stack.stop();
    });
  }

  for (const transport of ["TCP", "TLS", "WS", "WSS"] as const) {
    it(`over ${transport} that is not read for a while, as others at its address have sent too much, stays open with what it has begun`, async () => {
      const time = new VirtualTime();
      const messages = 20;
      const sources = { ...sourceRules(), burstMessages: 0, messagesPerSecond: 1, isExempt: () => false };
      const server = await startStack([transport], { clock: time, timers: time, sources });
      const [other, peer] = [await rawPeer(server.address(transport)), await rawPeer(server.address(transport))];
      const many = Array.from({ length: messages }, (_, i) => other.frame(rawRequest({ branch: `z9hG4bK${i}` })));
      other.socket.write(Buffer.concat(many));
      for (const _ of many) await server.requests.next();
      const next = peer.frame(rawRequest({ branch: "z9hG4bKnext", body: "x".repeat(3000) }));
      peer.socket.write(Buffer.concat([peer.frame(rawRequest({ branch: "z9hG4bKfirst" })), next.subarray(0, 2000)]));
      await server.requests.next();
      peer.socket.write(next.subarray(2000));
      await time.advance((messages + 1) * 1000);
      await server.requests.next();
      expect(server.counters.get("sip.connections_unfinished")).to.equal(0);
      // What it begins when it is read again has its time as ever.
      await time.advance((messages + 5) * 1000);
      peer.socket.write(next.subarray(0, 2000));
      let isClosed = false;
      peer.socket.on("close", () => (isClosed = true));
      while (!isClosed) await time.advance(limits.sip.partialMessageMs / 10);
      expect(server.counters.get("sip.connections_unfinished")).to.equal(1);
      other.socket.destroy();
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
    const { socket, frame } = await rawPeer(server.address("WS"));
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
