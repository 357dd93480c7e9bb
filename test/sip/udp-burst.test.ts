import { createSocket } from "node:dgram";
import { once } from "node:events";
import { expect } from "chai";
import { limits } from "../../node/runtime/limits.ts";
import { createRequest, createResponse } from "../../node/sip/message/build.ts";
import type { SipRequest } from "../../node/sip/message/message.ts";
import { parseMessage } from "../../node/sip/message/parse-message.ts";
import { serializeMessage } from "../../node/sip/message/serialize-message.ts";
import type { Flow } from "../../node/sip/stack.ts";
import { eventually } from "../helpers/eventually.ts";
import { VirtualTime } from "../helpers/virtual-time.ts";
import { startStack } from "./harness.ts";

const WATCHERS = 1000;

function notify(watcher: number): SipRequest {
  return createRequest({
    method: "NOTIFY",
    uri: `sip:watcher-${watcher}@127.0.0.1`,
    from: "<sip:alice@example.com>;tag=1",
    to: `<sip:watcher-${watcher}@example.com>;tag=2`,
    headers: [["Event", "presence"]],
    body: "x".repeat(1000),
  });
}

describe("a burst of requests to one UDP address", () => {
  it("reaches a peer with the usual socket buffer, every one of 1,000", async () => {
    // Time stands still: nothing is sent twice, so what is lost is missed, and only answers make room.
    const time = new VirtualTime();
    const server = await startStack(["UDP"], { clock: time, timers: time });
    const peer = createSocket("udp4");
    peer.bind(0, "127.0.0.1");
    await once(peer, "listening");
    const seen = new Set<string>();
    peer.on("message", (bytes, from) => {
      const request = parseMessage(bytes) as SipRequest;
      seen.add(request.uri);
      peer.send(serializeMessage(createResponse(request, 200)), from.port, from.address);
    });
    const to: Flow = { transport: "UDP", address: "127.0.0.1", port: peer.address().port };
    // In one turn of the event loop, in which the peer, of the same process, cannot read at all.
    const answers = Array.from({ length: WATCHERS }, (_, watcher) => server.stack.send(notify(watcher), to));
    const statuses = new Set((await Promise.all(answers)).map(({ status }) => status));
    expect([...statuses]).to.deep.equal([200]);
    expect(seen.size).to.equal(WATCHERS);
    expect(server.counters.get("sip.requests_paced")).to.equal(WATCHERS - limits.sip.udpWindow.requests);
    peer.close();
    await server.stack.stop();
  });

  it("to nobody ends, all of it, and what still waits ends when its time is over", async () => {
    const time = new VirtualTime();
    const server = await startStack(["UDP"], { clock: time, timers: time });
    const deaf = createSocket("udp4");
    deaf.bind(0, "127.0.0.1");
    await once(deaf, "listening");
    const to: Flow = { transport: "UDP", address: "127.0.0.1", port: deaf.address().port };
    const answers = Array.from({ length: WATCHERS }, (_, watcher) => server.stack.send(notify(watcher), to));
    // Its time is over before its turn has come.
    expect((await time.until(server.stack.send(notify(-1), to, { withinMs: 1 }))).status).to.equal(408);
    const statuses = new Set((await time.until(Promise.all(answers))).map(({ status }) => status));
    expect([...statuses]).to.deep.equal([408]);
    const late = Array.from({ length: WATCHERS }, (_, watcher) => server.stack.send(notify(watcher), to));
    await server.stack.stop();
    expect(new Set((await Promise.all(late)).map(({ status }) => status))).to.deep.equal(new Set([503]));
    await eventually(() => server.counters.get("sip.requests_failed") > 0, "what was on its way fails");
    deaf.close();
  });
});
