import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { expect } from "chai";
import { limits } from "../../node/runtime/limits.ts";
import { createResponse, tagOf } from "../../node/sip/message/build.ts";
import { parseMessage } from "../../node/sip/message/parse-message.ts";
import type { SipRequest } from "../../node/sip/message/message.ts";
import { serializeMessage } from "../../node/sip/message/serialize-message.ts";
import type { Flow, SocketTransport } from "../../node/sip/stack.ts";
import type { RawClient, TestStack } from "./harness.ts";
import { Inbox, outgoing, rawClient, rawRequest, startStack } from "./harness.ts";

const TRANSPORTS: readonly SocketTransport[] = ["UDP", "TCP", "TLS", "WS", "WSS"];
const STREAMS = ["TCP", "TLS", "WS", "WSS"] as const;

describe("the SIP stack on real sockets", () => {
  let server: TestStack;
  const clients: RawClient[] = [];

  beforeEach(async () => {
    server = await startStack(TRANSPORTS);
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await server.stack.stop();
  });

  async function client(transport: SocketTransport): Promise<RawClient> {
    const made = await rawClient(server.address(transport));
    clients.push(made);
    return made;
  }

  for (const transport of TRANSPORTS) {
    it(`serves a request over ${transport}, and answers where it came from`, async () => {
      const peer = await client(transport);
      peer.send(rawRequest({ body: "grüß" }));
      const incoming = await server.requests.next();
      expect(incoming.flow).to.include({ transport, address: "127.0.0.1" });
      expect(Buffer.from(incoming.request.body).toString()).to.equal("grüß");
      incoming.respond(createResponse(incoming.request, 200));
      const response = parseMessage(Buffer.from(await peer.received.next()));
      expect(response).to.include({ kind: "response", status: 200 });
      expect(tagOf(response.headers.get("To") as string)).to.match(/^[0-9a-f]{16}$/);
      expect(response.headers.get("Via")).to.include("received=127.0.0.1");
    });

    it(`answers a malformed request over ${transport} with 400, counts it, and goes on`, async () => {
      const peer = await client(transport);
      peer.send(rawRequest().replace("CSeq: 1", "CSeq: x"));
      expect(await peer.received.next()).to.match(/^SIP\/2\.0 400 /);
      peer.send(rawRequest({ branch: "z9hG4bK2" }));
      (await server.requests.next()).respond({
        kind: "response",
        status: 204,
        reason: "",
        headers: createResponse(outgoing(), 200).headers,
        body: new Uint8Array(0),
      });
      await peer.received.next();
      expect(server.counters.get("sip.malformed")).to.equal(1);
    });
  }

  it("fills a response with what RFC 3261 wants of it", async () => {
    const peer = await client("UDP");
    peer.send(rawRequest());
    const incoming = await server.requests.next();
    const bare = createResponse(incoming.request, 200);
    for (const name of ["Via", "From", "To", "Call-ID", "CSeq"]) bare.headers.delete(name);
    incoming.respond(bare);
    const text = await peer.received.next();
    expect(text).to.match(
      /^SIP\/2\.0 200 OK\r\nVia: .*\r\nFrom: .*\r\nTo: .*;tag=[0-9a-f]+\r\nCall-ID: call-1\r\nCSeq: 1 OPTIONS\r\n/,
    );
  });

  it("absorbs retransmissions over UDP and answers them alike", async () => {
    const peer = await client("UDP");
    peer.send(rawRequest());
    peer.send(rawRequest());
    const incoming = await server.requests.next();
    incoming.respond(createResponse(incoming.request, 404));
    incoming.respond(createResponse(incoming.request, 200));
    const first = await peer.received.next();
    peer.send(rawRequest());
    expect(await peer.received.next()).to.equal(first);
    expect(first).to.match(/^SIP\/2\.0 404 /);
    expect(server.requests.unread).to.equal(0);
    expect(server.counters.get("sip.retransmissions_absorbed")).to.be.greaterThan(0);
  });

  it("answers to the port in Via when rport is not asked for", async () => {
    const listener = await client("UDP");
    const sender = await client("UDP");
    sender.send(rawRequest({ via: `SIP/2.0/UDP 127.0.0.1:${listener.port}` }));
    const incoming = await server.requests.next();
    incoming.respond(createResponse(incoming.request, 200));
    const text = await listener.received.next();
    expect(text).to.match(/^SIP\/2\.0 200 /);
    expect(text).to.not.include("received");
  });

  it("reads TCP octet by octet", async () => {
    const peer = await client("TCP");
    for (const octet of Buffer.from(rawRequest({ body: "\r\n\r\n" }))) peer.send(Uint8Array.of(octet));
    const incoming = await server.requests.next();
    expect(incoming.request.body.length).to.equal(4);
  });

  it("serves pipelined requests in order", async () => {
    const peer = await client("TCP");
    const ids = Array.from({ length: 50 }, (_, i) => `z9hG4bK${i}`);
    peer.send(ids.map((branch, i) => rawRequest({ branch, cseq: i + 1, callId: branch })).join(""));
    for (const id of ids) expect((await server.requests.next()).request.headers.get("Call-ID")).to.equal(id);
  });

  it("answers a CRLF ping on every stream", async () => {
    for (const transport of STREAMS) {
      const peer = await client(transport);
      peer.send("\r\n\r\n");
      expect(await peer.received.next()).to.equal("\r\n");
    }
  });

  it("ignores keep-alives over UDP", async () => {
    const peer = await client("UDP");
    peer.send("\r\n\r\n");
    peer.send("\0");
    peer.send(rawRequest());
    await server.requests.next();
    expect(server.counters.get("sip.malformed")).to.equal(0);
  });

  it("closes a stream whose framing is broken, after a 400", async () => {
    const peer = await client("TCP");
    peer.send(rawRequest().replace(/Content-Length: 0/, "X: y") + rawRequest({ branch: "z9hG4bK2" }));
    expect(await peer.received.next()).to.match(/^SIP\/2\.0 400 /);
    await peer.closed;
    expect(server.requests.unread).to.equal(0);
    expect(server.counters.get("sip.malformed")).to.equal(1);
  });

  it("refuses what is too large: 513 over TCP and then the end, the end over WS", async () => {
    const body = "x".repeat(limits.sip.messageBytes);
    const tcp = await client("TCP");
    tcp.send(rawRequest({ body }));
    expect(await tcp.received.next()).to.match(/^SIP\/2\.0 513 /);
    await tcp.closed;
    const ws = await client("WS");
    ws.send(rawRequest({ body }));
    await ws.closed;
    expect(server.requests.unread).to.equal(0);
  });

  it("survives garbage on every transport", async () => {
    const garbage = [
      "\0\0\0\0\0\0\0",
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
      "SIP/2.0 200",
      "x".repeat(2000),
    ];
    for (const transport of TRANSPORTS) {
      for (const octets of garbage) {
        const peer = await client(transport);
        peer.send(Buffer.from(octets, "latin1"));
      }
      const peer = await client(transport);
      peer.send(rawRequest({ branch: `z9hG4bK-${transport}` }));
      await server.requests.next();
    }
    expect(server.requests.unread).to.equal(0);
  });

  it("tells that a connection has closed, by the flow of its requests", async () => {
    for (const transport of STREAMS) {
      const closed = new Inbox<Flow>();
      server.stack.onFlowClosed((flow) => closed.put(flow));
      const peer = await client(transport);
      peer.send(rawRequest({ branch: `z9hG4bK-${transport}` }));
      const { flow } = await server.requests.next();
      peer.close();
      expect(await closed.next()).to.deep.equal(flow);
    }
  });

  it("fails a request with a local 503 when the connection closes under it", async () => {
    for (const transport of STREAMS) {
      const peer = await client(transport);
      peer.send(rawRequest({ branch: `z9hG4bK-${transport}` }));
      const { flow } = await server.requests.next();
      const answer = server.stack.send(outgoing(), flow);
      expect(await peer.received.next()).to.match(/^OPTIONS /);
      peer.close();
      const response = await answer;
      expect(response.status).to.equal(503);
      expect(response.headers.get("Aorta-Local")).to.equal("cut-off");
      expect((await server.stack.send(outgoing(), flow)).status).to.equal(503);
    }
  });

  it("answers over a new connection when the one of the request has closed", async () => {
    const listener = createServer();
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    const { port } = listener.address() as { port: number };
    const peer = await client("TCP");
    peer.send(rawRequest({ via: `SIP/2.0/TCP 127.0.0.1:${port}` }));
    const incoming = await server.requests.next();
    const closed = new Inbox<Flow>();
    server.stack.onFlowClosed((flow) => closed.put(flow));
    peer.close();
    await closed.next();
    incoming.respond(createResponse(incoming.request, 200));
    const [socket] = await once(listener, "connection");
    const [bytes] = await once(socket, "data");
    expect(String(bytes)).to.match(/^SIP\/2\.0 200 /);
    socket.destroy();
    listener.close();
  });

  it("does not believe a peer that calls its response local", async () => {
    const peer = await client("TCP");
    peer.send(rawRequest());
    const { flow } = await server.requests.next();
    const answer = server.stack.send(outgoing(), flow);
    const request = parseMessage(Buffer.from(await peer.received.next())) as SipRequest;
    peer.send(serializeMessage(createResponse(request, 408, { headers: [["Aorta-Local", "1"]] })));
    const response = await answer;
    expect(response.status).to.equal(408);
    expect(response.headers.has("Aorta-Local")).to.equal(false);
    expect(response.headers.has("Via")).to.equal(false);
  });

  it("counts and drops a response that nobody waits for", async () => {
    const peer = await client("UDP");
    peer.send(rawRequest().replace(/^OPTIONS .*\r\n/, "SIP/2.0 200 OK\r\n"));
    peer.send(rawRequest({ branch: "z9hG4bK2" }));
    await server.requests.next();
    expect(server.counters.get("sip.stray_responses")).to.equal(1);
  });

  it("hands up for whom a proxy has made a WebSocket", async () => {
    const { address, port } = server.address("WS");
    const { WebSocket } = await import("ws");
    const headers = { "X-Forwarded-For": "203.0.113.1, 198.51.100.7" };
    const socket = new WebSocket(`ws://${address}:${port}/`, "sip", { headers });
    await once(socket, "open");
    socket.send(rawRequest());
    const { flow } = await server.requests.next();
    expect(flow).to.include({ address: "127.0.0.1", forwardedFor: "198.51.100.7" });
    socket.terminate();
  });

  it("refuses a WebSocket without the sub-protocol", async () => {
    const { address, port } = server.address("WS");
    const response = await fetch(`http://${address}:${port}/`);
    expect(response.status).to.equal(426);
    const { WebSocket } = await import("ws");
    const socket = new WebSocket(`ws://${address}:${port}/`);
    const [error] = await once(socket, "error");
    expect(String(error)).to.include("400");
  });

  it("names transport, address and port when a port is in use, and leaves nothing bound", async () => {
    const taken = server.address("TCP");
    const udp = createSocket("udp4");
    udp.bind(0, "127.0.0.1");
    await once(udp, "listening");
    const { port } = udp.address();
    udp.close();
    await once(udp, "close");
    const listen = [{ transport: "UDP" as const, address: "127.0.0.1", port }, taken];
    let error: unknown;
    try {
      await startStack(listen);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).to.include({ name: "OperationalError", code: "PORT_IN_USE" });
    expect(String(error)).to.include(`TCP on 127.0.0.1:${taken.port}`);
    const free = await startStack(listen.slice(0, 1));
    await free.stack.stop();
  });

  for (const transport of TRANSPORTS) {
    it(`refuses to start where ${transport} cannot listen, and says why`, async () => {
      const taken = server.address(transport);
      const elsewhere = { transport, address: "192.0.2.1", port: 5060 };
      for (const [listen, code] of [
        [taken, "PORT_IN_USE"],
        [elsewhere, "ADDRESS_NOT_AVAILABLE"],
      ] as const) {
        const error: unknown = await startStack([listen]).catch((thrown: unknown) => thrown);
        expect(error).to.include({ name: "OperationalError", code });
        expect(String(error)).to.include(`${transport} on ${listen.address}:${listen.port}`);
      }
    });
  }

  it("carries what is far larger than a network's packets over UDP too", async () => {
    const peer = await client("UDP");
    peer.send(rawRequest({ body: "x".repeat(30_000) }));
    const incoming = await server.requests.next();
    expect(incoming.request.body).to.have.length(30_000);
    incoming.respond(createResponse(incoming.request, 200, { body: "y".repeat(30_000) }));
    expect((await peer.received.next()).endsWith("y".repeat(30_000))).to.equal(true);
  });

  it("answers 500 when serving a request fails, and goes on", async () => {
    const peer = await client("TCP");
    server.stack.onRequest(() => {
      throw new Error("a bug above");
    });
    peer.send(rawRequest());
    expect(await peer.received.next()).to.match(/^SIP\/2\.0 500 /);
    expect(server.counters.get("sip.handler_failures")).to.equal(1);
  });

  it("can be started again", async () => {
    await server.stack.stop();
    await server.stack.start();
    const peer = await client("TCP");
    peer.send(rawRequest());
    await server.requests.next();
  });

  it("can be stopped twice, and fails what is sent afterwards; its own end is no client's going", async () => {
    const peer = await client("TCP");
    peer.send(rawRequest());
    const { flow } = await server.requests.next();
    const closed = new Inbox<Flow>();
    server.stack.onFlowClosed((each) => closed.put(each));
    const waiting = server.stack.send(outgoing(), flow);
    await server.stack.stop();
    await server.stack.stop();
    expect((await waiting).status).to.equal(503);
    expect((await server.stack.send(outgoing(), flow)).status).to.equal(503);
    expect(closed.unread).to.equal(0);
  });
});
