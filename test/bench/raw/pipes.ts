import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { connect, createServer } from "node:net";
import type { Stream } from "@libp2p/interface";
import { tcp } from "@libp2p/tcp";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { joiningNoise } from "../../../node/mesh/joined-sends.ts";
import { steadyYamux } from "../../../node/mesh/steady-yamux.ts";
import type { Pipe, Transport } from "./record.ts";

const PROTOCOL = "/raw/1";

/** Accepts connections; the answer is where. */
export const listen: Readonly<Record<Transport, (onPipe: (pipe: Pipe) => void) => Promise<string>>> = {
  async tcp(onPipe) {
    const server = createServer((socket) => onPipe(pipeOfSocket(socket)));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return String((server.address() as AddressInfo).port);
  },
  async libp2p(onPipe) {
    const host = await createHost(["/ip4/127.0.0.1/tcp/0"]);
    await host.handle(PROTOCOL, (stream) => onPipe(pipeOfStream(stream)));
    return String(host.getMultiaddrs()[0]);
  },
};

/** Connects to each of the addresses that {@link listen} answered. */
export const connectAll: Readonly<Record<Transport, (addresses: readonly string[]) => Promise<readonly Pipe[]>>> = {
  async tcp(addresses) {
    const sockets = addresses.map((port) => connect(Number(port), "127.0.0.1"));
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    return sockets.map(pipeOfSocket);
  },
  async libp2p(addresses) {
    const host = await createHost([]);
    return Promise.all(
      addresses.map(async (address) => pipeOfStream(await host.dialProtocol(multiaddr(address), PROTOCOL))),
    );
  },
};

function createHost(addresses: string[]) {
  return createLibp2p({
    addresses: { listen: addresses },
    transports: [tcp()],
    connectionEncrypters: [joiningNoise()],
    streamMuxers: [steadyYamux()],
    connectionMonitor: { enabled: false },
  });
}

function pipeOfSocket(socket: Socket): Pipe {
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  return { write: (octets) => void socket.write(octets), onData: (listener) => void socket.on("data", listener) };
}

function pipeOfStream(stream: Stream): Pipe {
  return {
    write: (octets) => void stream.send(octets),
    onData: (listener) =>
      stream.addEventListener("message", ({ data }) => {
        const octets = data.subarray();
        listener(Buffer.from(octets.buffer, octets.byteOffset, octets.length));
      }),
  };
}
