import { once } from "node:events";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { expect } from "chai";
import { WebSocket } from "ws";
import { limits } from "../../node/runtime/limits.ts";
import { createResponse } from "../../node/sip/message/build.ts";
import { sourceRules } from "../../node/sip/transport/sources.ts";
import { loopbackCertificate } from "../helpers/certificates.ts";
import { eventually } from "../helpers/eventually.ts";
import { VirtualTime } from "../helpers/virtual-time.ts";
import type { TestStack } from "./harness.ts";
import { Inbox, rawClient, rawRequest, startStack } from "./harness.ts";

const CLIENT = { address: "192.0.2.1", port: 40_000 };
const LINE = "PROXY TCP4 192.0.2.1 198.51.100.1 40000 5061\r\n";
const BINARY = Buffer.from("0d0a0d0a000d0a515549540a2111000cc0000201c63364019c4013c5", "hex");
const PROXIES = { proxies: ["127.0.0.0/8"] };
type Stream = "TCP" | "TLS" | "WS" | "WSS";

/** What a proxy for TCP sends when it has connected, in pieces, and what is said behind it. */
async function behindProxy(node: TestStack, transport: Stream, header: readonly (string | Uint8Array)[]) {
  const { address: host, port } = node.address(transport);
  const socket = connect({ host, port }).on("error", () => {});
  socket.setNoDelay(true);
  await once(socket, "connect");
  for (const piece of header) {
    socket.write(piece);
    // Each in a segment of its own, or together: it has to be the same.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const received = new Inbox<string>();
  const isSecure = transport === "TLS" || transport === "WSS";
  const carried: Socket = isSecure ? connectTls({ socket, ca: (await loopbackCertificate()).cert, host }) : socket;
  if (transport === "TCP" || transport === "TLS") {
    if (isSecure) await once(carried, "secureConnect");
    carried.on("data", (octets) => received.put(octets.toString()));
    return { received, send: (text: string) => void carried.write(text), close: () => socket.destroy() };
  }
  const ws = new WebSocket(`ws://${host}:${port}/`, "sip", { createConnection: () => carried });
  await once(ws, "open");
  ws.on("message", (data) => received.put((data as Buffer).toString()));
  return { received, send: (text: string) => ws.send(text), close: () => ws.terminate() };
}

describe("connections that a proxy makes with a header of the PROXY protocol", () => {
  for (const transport of ["TCP", "TLS", "WS", "WSS"] as const)
    for (const [version, header] of [
      ["1", [LINE]],
      ["1, in pieces", [LINE.slice(0, 3), LINE.slice(3, 30), LINE.slice(30)]],
      ["2", [BINARY]],
      ["2, in pieces", [BINARY.subarray(0, 13), BINARY.subarray(13)]],
    ] as const)
      it(`over ${transport} are its clients' (version ${version})`, async () => {
        const node = await startStack([transport], PROXIES);
        const client = await behindProxy(node, transport, header);
        client.send(rawRequest({ via: `SIP/2.0/${transport} client.invalid;rport` }));
        const incoming = await node.requests.next();
        expect(incoming.flow).to.deep.include({ transport, ...CLIENT });
        incoming.respond(createResponse(incoming.request, 200));
        expect(await client.received.next()).to.match(/^SIP\/2\.0 200 [^]*received=192\.0\.2\.1/);
        client.close();
        await node.stack.stop();
      });

  it("may carry the header and a request in one piece", async () => {
    const node = await startStack(["TCP"], PROXIES);
    const client = await behindProxy(node, "TCP", [LINE + rawRequest({ via: "SIP/2.0/TCP client.invalid;rport" })]);
    expect((await node.requests.next()).flow).to.deep.include(CLIENT);
    client.close();
    await node.stack.stop();
  });

  it("are the proxy's own where it says so", async () => {
    const node = await startStack(["TCP"], PROXIES);
    const client = await behindProxy(node, "TCP", ["PROXY UNKNOWN\r\n"]);
    client.send(rawRequest({ via: "SIP/2.0/TCP client.invalid;rport" }));
    expect((await node.requests.next()).flow).to.deep.include({ address: "127.0.0.1" });
    client.close();
    await node.stack.stop();
  });

  it("are refused without one, and counted", async () => {
    const node = await startStack(["TCP"], PROXIES);
    const client = await rawClient(node.address("TCP"));
    client.send(rawRequest());
    await client.closed;
    expect(node.counters.get("sip.proxy_headers_refused")).to.equal(1);
    expect(node.requests.unread).to.equal(0);
    await node.stack.stop();
  });

  it("are closed where it does not come in time, and where nothing is said they are no fault", async () => {
    const time = new VirtualTime();
    const node = await startStack(["TCP"], { ...PROXIES, timers: time, clock: time });
    const silent = await rawClient(node.address("TCP"));
    silent.send("PROXY ");
    const check = connect(node.address("TCP").port, "127.0.0.1");
    await once(check, "connect");
    check.end();
    await once(check.resume(), "close");
    expect(node.counters.get("sip.proxy_headers_refused")).to.equal(0);
    await time.advance(limits.sip.partialMessageMs);
    await silent.closed;
    expect(node.counters.get("sip.proxy_headers_refused")).to.equal(1);
    await node.stack.stop();
  });

  it("are counted for the client, and not for the proxy", async () => {
    const rules = { ...sourceRules(), connectionsPerSource: 1 };
    const node = await startStack(["TCP"], { ...PROXIES, sources: rules });
    let said = 0;
    const say = async (header: string) => {
      const client = await behindProxy(node, "TCP", [header]);
      client.send(rawRequest({ via: "SIP/2.0/TCP client.invalid;rport", branch: `z9hG4bK${said++}` }));
      return client;
    };
    const first = await say(LINE);
    expect((await node.requests.next()).flow).to.deep.include(CLIENT);
    const second = await say(LINE);
    await eventually(() => node.counters.get("sip.connections_refused") === 1, "one too many of a client");
    const other = await say(LINE.replace("192.0.2.1", "192.0.2.2"));
    expect((await node.requests.next()).flow).to.deep.include({ address: "192.0.2.2" });
    const closed = new Promise<void>((resolve) => node.stack.onFlowClosed(() => resolve()));
    first.close();
    await closed;
    const again = await say(LINE);
    expect((await node.requests.next()).flow).to.deep.include(CLIENT);
    for (const client of [second, other, again]) client.close();
    await node.stack.stop();
  });

  it("of others are broken by one as by any other octets", async () => {
    const node = await startStack(["TCP"], { proxies: ["192.0.2.9"] });
    const client = await rawClient(node.address("TCP"));
    client.send(LINE + rawRequest());
    await eventually(() => node.counters.get("sip.malformed") === 1, "what is no SIP");
    expect(node.requests.unread).to.equal(0);
    client.close();
    await node.stack.stop();
  });
});
