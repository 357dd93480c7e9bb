import type { Socket } from "node:net";
import { PassThrough } from "node:stream";
import { expect } from "chai";
import { silentLogger } from "../../../../node/runtime/logger.ts";
import { createCounters } from "../../../../node/runtime/metrics.ts";
import { ProxiedClients } from "../../../../node/sip/transport/proxied-clients.ts";
import { VirtualTime } from "../../../helpers/virtual-time.ts";

/** Whom a proxy at such an address makes known, by this header; `undefined`: it is refused. */
async function told(proxy: string, client: string): Promise<string | undefined> {
  const time = new VirtualTime();
  const counters = createCounters();
  const clients = new ProxiedClients({ timers: time, clock: time, counters, logger: silentLogger });
  const ends = { remoteAddress: proxy, remotePort: 1, localAddress: "198.51.100.1", localPort: 5060 };
  const socket = Object.assign(new PassThrough(), ends) as unknown as Socket;
  const heard = new Promise<string | undefined>((resolve) => {
    clients.expectHeader(socket, ({ address }) => resolve(address));
    socket.once("close", () => resolve(undefined));
  });
  socket.write(`PROXY TCP4 ${client} 198.51.100.1 40000 5060\r\n`);
  const address = await heard;
  expect(counters.get("sip.proxy_headers_refused")).to.equal(address === undefined ? 1 : 0);
  if (address !== undefined) expect(clients.peerOf(socket)).to.deep.equal({ address, port: 40_000 });
  return address;
}

describe("a proxy that says who its client is", () => {
  it("is believed, but that of this machine only one here tells", async () => {
    expect(await told("192.0.2.9", "192.0.2.1")).to.equal("192.0.2.1");
    expect(await told("192.0.2.9", "127.0.0.1")).to.equal(undefined);
    expect(await told("127.0.0.1", "127.0.0.1")).to.equal("127.0.0.1");
  });
});
