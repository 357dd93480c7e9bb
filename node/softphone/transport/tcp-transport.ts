import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { ClientTransport, type ClientTransportOptions, type LocalAddress } from "./client-transport.ts";
import { StreamFramer } from "./stream-framer.ts";

/** SIP over one TCP connection to the server. */
export class TcpTransport extends ClientTransport {
  readonly protocol: "TCP" | "TLS" = "TCP";
  #socket: Socket | undefined;

  local(): LocalAddress | undefined {
    const { localAddress, localPort } = this.#socket ?? {};
    return localAddress === undefined || localPort === undefined
      ? undefined
      : { address: localAddress, port: localPort };
  }

  protected async open(): Promise<void> {
    const socket = await this.connectTo(this.options);
    this.#socket = socket;
    const framer = new StreamFramer();
    socket.on("data", (bytes) => {
      try {
        for (const message of framer.push(bytes)) this.deliver(message);
      } catch (error) {
        socket.destroy(error as Error); // what follows an unframable message cannot be found
      }
    });
    socket.on("error", (error) => this.options.onFault?.(error));
    socket.on("close", () => this.lost(new Error("The server closed the connection.")));
  }

  /** A socket that is ready to be written to. */
  protected async connectTo({ host, port }: ClientTransportOptions): Promise<Socket> {
    const socket = connect({ host, port, noDelay: true });
    await once(socket, "connect");
    return socket;
  }

  protected transmit(message: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket?.write(message, (error) => (error ? reject(error) : resolve()));
    });
  }

  protected async shut(): Promise<void> {
    this.#socket?.destroy();
  }
}
