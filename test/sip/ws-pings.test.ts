import { expect } from "chai";
import { once } from "node:events";
import { WebSocket } from "ws";
import { limits } from "../../node/runtime/limits.ts";
import type { SocketFlow } from "../../node/sip/stack.ts";
import { VirtualTime } from "../helpers/virtual-time.ts";
import { rawRequest, startStack } from "./harness.ts";

const PING_MS = 30_000;

describe("a WebSocket client of whom nothing is heard", () => {
  /** A client that has shown who it is, on a stack whose time is the test's. */
  async function setUp(options: { readonly autoPong: boolean }) {
    const time = new VirtualTime();
    const server = await startStack(["WS"], { clock: time, timers: time, pingMs: PING_MS });
    const { address, port } = server.address("WS");
    const client = new WebSocket(`ws://${address}:${port}/`, "sip", options);
    await once(client, "open");
    client.send(rawRequest());
    const { flow } = await server.requests.next();
    server.stack.known(flow as SocketFlow);
    return { time, server, client };
  }

  it("is pinged, so that its way stays open, and stays as long as it answers and no longer than one that is silent may", async () => {
    const { time, server, client } = await setUp({ autoPong: false });
    const closed = once(client, "close");
    const rounds = Math.floor(limits.sip.idleConnectionMs / PING_MS);
    for (let round = 1; round < rounds; round += 1) {
      const pinged = once(client, "ping");
      await time.advance(PING_MS);
      await pinged;
      client.pong();
      // What comes behind the pong has been read when it is answered, and is nothing that the client says.
      client.ping();
      await once(client, "pong");
    }
    expect(server.counters.get("sip.connections_silent")).to.equal(0);
    await time.advance(2 * PING_MS);
    await closed;
    expect(server.counters.get("sip.connections_idle")).to.equal(1);
    await server.stack.stop();
  });

  it("is given up when it answers no ping, and its contact with it", async () => {
    const { time, server, client } = await setUp({ autoPong: false });
    const closed = once(client, "close");
    await time.advance(limits.sip.unansweredPings * PING_MS);
    expect(client.readyState).to.equal(client.OPEN);
    await time.advance(PING_MS);
    await closed;
    expect(server.counters.get("sip.connections_silent")).to.equal(1);
    await server.stack.stop();
  });
});
