import { once } from "node:events";
import type { Socket } from "node:net";
import { PassThrough } from "node:stream";
import { expect } from "chai";
import { silentLogger } from "../../../../node/runtime/logger.ts";
import { createCounters } from "../../../../node/runtime/metrics.ts";
import { ProxiedClients } from "../../../../node/sip/transport/proxied-clients.ts";
import { VirtualTime } from "../../../helpers/virtual-time.ts";

const ENDS = { remoteAddress: "192.0.2.9", remotePort: 1, localAddress: "198.51.100.1", localPort: 5060 };

function listener() {
  const time = new VirtualTime();
  const counters = createCounters();
  return { counters, clients: new ProxiedClients({ timers: time, clock: time, counters, logger: silentLogger }) };
}

function connection(ends = ENDS): Socket {
  return Object.assign(new PassThrough(), ends) as unknown as Socket;
}

/** Whom a proxy at such an address makes known, by this header; `undefined`: it is refused. */
async function told(proxy: string, client: string): Promise<string | undefined> {
  const { counters, clients } = listener();
  const socket = connection({ ...ENDS, remoteAddress: proxy });
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

  it("is believed of its new connection where one before, with the same ends, is seen to close only then", async () => {
    const { clients } = listener();
    const connect = async (client: string) => {
      const socket = connection();
      const known = new Promise((resolve) => clients.expectHeader(socket, resolve));
      socket.write(`PROXY TCP4 ${client} 198.51.100.1 40000 5060\r\n`);
      await known;
      return socket;
    };
    const before = await connect("192.0.2.1");
    const now = await connect("192.0.2.2");
    before.destroy();
    await once(before, "close");
    expect(clients.peerOf(now)).to.deep.equal({ address: "192.0.2.2", port: 40_000 });
  });
});
