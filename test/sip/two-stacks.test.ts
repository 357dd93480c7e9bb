import { networkInterfaces } from "node:os";
import { expect } from "chai";
import type { ServerId } from "../../dht-schema/roster.ts";
import { createResponse } from "../../node/sip/message/build.ts";
import { formatHostPort } from "../../node/sip/message/uri.ts";
import type { Flow } from "../../node/sip/stack.ts";
import { parseMessage } from "../../node/sip/message/parse-message.ts";
import type { SipRequest } from "../../node/sip/message/message.ts";
import { serializeMessage } from "../../node/sip/message/serialize-message.ts";
import { topVia } from "../../node/sip/message/validate-request.ts";
import { eventually } from "../helpers/eventually.ts";
import { Inbox, outgoing, rawClient, rawRequest, startStack } from "./harness.ts";

/** Containers often have no IPv6: tests that need it are skipped there by name. */
function itWith(address: string): Mocha.TestFunction | Mocha.PendingTestFunction {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return all.some((each) => each.address === address) ? it : it.skip;
}

describe("two SIP stacks", () => {
  for (const transport of ["UDP", "TCP", "TLS"] as const) {
    for (const address of ["127.0.0.1", "::1"]) {
      itWith(address)(`reach each other over ${transport} on ${address}`, async () => {
        const a = await startStack([{ transport, address, port: 0 }]);
        const b = await startStack([{ transport, address, port: 0 }]);
        try {
          const { port } = b.address(transport);
          const answer = a.stack.send(outgoing("MESSAGE"), { transport, address, port });
          const incoming = await b.requests.next();
          expect(incoming.request.headers.get("Max-Forwards")).to.equal("70");
          incoming.respond(createResponse(incoming.request, 202));
          expect((await answer).status).to.equal(202);
        } finally {
          await a.stack.stop();
          await b.stack.stop();
        }
      });
    }
  }

  for (const transport of ["UDP", "TCP", "TLS", "WS"] as const) {
    it(`say over ${transport} by which name they are to be reached, and are answered all the same`, async () => {
      for (const name of [{ host: "sip1.example.com" }, { host: "sip1.example.com", port: 5099 }]) {
        const server = await startStack([transport], { name });
        const peer = await rawClient(server.address(transport));
        try {
          peer.send(rawRequest({ via: `SIP/2.0/${transport} client.invalid;rport` }));
          const incoming = await server.requests.next();
          incoming.respond(createResponse(incoming.request, 200));
          await peer.received.next();
          const answer = server.stack.send(outgoing(), incoming.flow);
          const request = parseMessage(Buffer.from(await peer.received.next())) as SipRequest;
          const { port } = server.address(transport);
          expect(topVia(request)).to.include({ transport, port, ...name });
          peer.send(serializeMessage(createResponse(request, 200)));
          expect((await answer).status).to.equal(200);
        } finally {
          peer.close();
          await server.stack.stop();
        }
      }
    });
  }

  for (const transport of ["UDP", "TCP", "TLS", "WS", "WSS"] as const) {
    itWith("::1")(
      `serve clients over ${transport} on IPv6, and note their address as RFC 5118 §4.5 has it`,
      async () => {
        const server = await startStack([{ transport, address: "::1", port: 0 }]);
        const peer = await rawClient(server.address(transport));
        try {
          peer.send(rawRequest({ via: `SIP/2.0/${transport} client.invalid;rport` }));
          const incoming = await server.requests.next();
          expect(incoming.flow).to.deep.include({ transport, address: "::1" });
          incoming.respond(createResponse(incoming.request, 200));
          expect(await peer.received.next()).to.match(/\r\nVia: [^\r]*;received=::1[;\r]/);
          const answer = server.stack.send(outgoing(), incoming.flow);
          const request = parseMessage(Buffer.from(await peer.received.next())) as SipRequest;
          expect(topVia(request)).to.include({ transport, host: "::1", port: server.address(transport).port });
          peer.send(serializeMessage(createResponse(request, 200)));
          expect((await answer).status).to.equal(200);
          peer.send("\r\n\r\n");
          if (transport !== "UDP") expect(await peer.received.next()).to.equal("\r\n");
        } finally {
          peer.close();
          await server.stack.stop();
        }
      },
    );
  }

  it("reuse a TCP connection in both directions", async () => {
    const a = await startStack(["TCP"]);
    const b = await startStack(["TCP"]);
    try {
      const to: Flow = { transport: "TCP", address: "127.0.0.1", port: b.address("TCP").port };
      const flows: Flow[] = [];
      for (let i = 0; i < 3; i++) {
        const answer = a.stack.send(outgoing(), to);
        const incoming = await b.requests.next();
        flows.push(incoming.flow);
        incoming.respond(createResponse(incoming.request, 200));
        await answer;
      }
      expect(flows[1]).to.deep.equal(flows[0]);
      expect(flows[2]).to.deep.equal(flows[0]);
      const back = b.stack.send(outgoing(), flows[0] as Flow);
      const incoming = await a.requests.next();
      incoming.respond(createResponse(incoming.request, 200));
      expect((await back).status).to.equal(200);
    } finally {
      await a.stack.stop();
      await b.stack.stop();
    }
  });

  it("fail with a local 503 where nobody listens on TCP", async () => {
    const a = await startStack(["TCP"]);
    const b = await startStack(["TCP"]);
    const { port } = b.address("TCP");
    await b.stack.stop();
    const response = await a.stack.send(outgoing(), { transport: "TCP", address: "127.0.0.1", port });
    expect(response.status).to.equal(503);
    expect(response.headers.has("Aorta-Local")).to.equal(true);
    await a.stack.stop();
  });

  it("carry an INVITE, its provisional response, its 2xx and the ACK", async () => {
    const a = await startStack(["UDP"]);
    const b = await startStack(["UDP"]);
    try {
      const to: Flow = { transport: "UDP", address: "127.0.0.1", port: b.address("UDP").port };
      const provisional = new Inbox<number>();
      const answer = a.stack.invite(outgoing("INVITE"), to, { onProvisional: ({ status }) => provisional.put(status) });
      const invite = await b.requests.next();
      invite.respond(createResponse(invite.request, 180));
      expect(await provisional.next()).to.equal(180);
      invite.respond(createResponse(invite.request, 200));
      expect((await answer).status).to.equal(200);
      a.stack.acknowledge(outgoing("ACK"), to);
      const ack = await b.requests.next();
      expect(ack.request.method).to.equal("ACK");
      ack.respond(createResponse(ack.request, 200));
      expect(b.counters.get("sip.responses_out")).to.equal(2);
    } finally {
      await a.stack.stop();
      await b.stack.stop();
    }
  });

  it("do not take one kind of request for another", async () => {
    const a = await startStack(["UDP"]);
    const to: Flow = { transport: "UDP", address: "127.0.0.1", port: 9 };
    expect(() => a.stack.send(outgoing("INVITE"), to)).to.throw("not sent as a non-INVITE");
    expect(() => a.stack.invite(outgoing("OPTIONS"), to)).to.throw("is not INVITE");
    expect(() => a.stack.acknowledge(outgoing("OPTIONS"), to)).to.throw("is not ACK");
    await a.stack.stop();
  });

  for (const [wildcard, loopback] of [
    ["0.0.0.0", "127.0.0.1"],
    ["::", "::1"],
  ] as const) {
    itWith(loopback)(`that listen on ${wildcard} name an address in Via that the peer can reach`, async () => {
      const a = await startStack([{ transport: "UDP", address: wildcard, port: 0 }]);
      const b = await startStack([{ transport: "UDP", address: loopback, port: 0 }]);
      try {
        const { port } = b.address("UDP");
        const answer = a.stack.send(outgoing(), { transport: "UDP", address: loopback, port });
        const incoming = await b.requests.next();
        expect(incoming.request.headers.get("Via")).to.include(
          `UDP ${formatHostPort(loopback, a.address("UDP").port)};`,
        );
        incoming.respond(createResponse(incoming.request, 200));
        expect((await answer).status).to.equal(200);
      } finally {
        await a.stack.stop();
        await b.stack.stop();
      }
    });
  }

  it("fail what waits for a server of the mesh when the link to it is lost", async () => {
    let lose: (server: ServerId) => void = () => {};
    const a = await startStack([], {
      mesh: { self: "a" as ServerId, send: () => true, receive: () => {}, onDown: (listener) => (lose = listener) },
    });
    const closed = new Inbox<Flow>();
    a.stack.onFlowClosed((flow) => closed.put(flow));
    const answers = ["b", "c"].map((server) =>
      a.stack.send(outgoing(), { transport: "MESH", server: server as ServerId }),
    );
    lose("b" as ServerId);
    expect((await answers[0])?.status).to.equal(503);
    expect(closed.unread).to.equal(0);
    await a.stack.stop();
    expect((await answers[1])?.status).to.equal(503);
  });

  it("believe of another server only what comes from it", async () => {
    let arrive: (from: ServerId, message: Uint8Array) => void = () => {};
    const sent = new Inbox<string>();
    const mesh = {
      self: "a" as ServerId,
      send: (_server: ServerId, message: Uint8Array) => (sent.put(Buffer.from(message).toString()), true),
      receive: (receiver: typeof arrive) => (arrive = receiver),
    };
    const a = await startStack(["UDP"], { mesh });
    const answer = a.stack.send(outgoing(), { transport: "MESH", server: "b" as ServerId });
    const request = await sent.next();
    const response = (status: number) => request.replace(/^.*\r\n/, `SIP/2.0 ${status} Whatever\r\n`);
    // A device to which the request was sent on has seen its Via.
    const device = await rawClient(a.address("UDP"));
    device.send(response(404));
    arrive("c" as ServerId, Buffer.from(response(603)));
    await eventually(() => a.counters.get("sip.stray_responses") === 2, "both are passed over");
    arrive("b" as ServerId, Buffer.from(response(200)));
    expect((await answer).status).to.equal(200);
    const toDevice = a.stack.send(outgoing(), { transport: "UDP", address: "127.0.0.1", port: device.port });
    const asked = await device.received.next();
    arrive("b" as ServerId, Buffer.from(asked.replace(/^.*\r\n/, "SIP/2.0 403 Whatever\r\n")));
    device.send(asked.replace(/^.*\r\n/, "SIP/2.0 200 OK\r\n"));
    expect((await toDevice).status).to.equal(200);
    device.close();
    await a.stack.stop();
  });

  it("cannot send over a transport that has no listener", async () => {
    const a = await startStack(["UDP"]);
    expect((await a.stack.send(outgoing(), { transport: "TCP", address: "127.0.0.1", port: 9 })).status).to.equal(503);
    expect((await a.stack.send(outgoing(), { transport: "MESH", server: "x" as never })).status).to.equal(503);
    await a.stack.stop();
  });
});
