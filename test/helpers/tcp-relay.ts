import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { connect, createServer } from "node:net";

/** What stands between a client and a TCP server on loopback, so that a test can end their connections. */
export interface TcpRelay {
  readonly port: number;
  /** Ends the connections that there are, and resolves when their ends know. More can be made. */
  cut(): Promise<void>;
  /** Carries nothing any more of the connections that there are, and tells nobody, as a NAT does that has forgotten them. More can be made. */
  forget(): void;
  stop(): Promise<void>;
}

export async function startTcpRelay(to: { readonly address: string; readonly port: number }): Promise<TcpRelay> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  };
  const server = createServer((near) => {
    const far = keep(connect(to.port, to.address));
    keep(near).pipe(far).pipe(near);
  });
  server.listen(0, to.address);
  await once(server, "listening");
  const cut = async (): Promise<void> => {
    await Promise.all([...sockets].map((socket) => once(socket.unpipe().resume().end(), "close")));
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    forget: () => sockets.forEach((socket) => socket.unpipe().removeAllListeners("end").pause()),
    async stop() {
      await cut();
      server.close();
      await once(server, "close");
    },
  };
}
