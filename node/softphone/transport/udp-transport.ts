import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { ClientTransport, type LocalAddress } from "./client-transport.ts";
import { Repetitions } from "./repetitions.ts";
import { Retransmitter } from "./retransmitter.ts";

/** SIP over UDP: a datagram is a message. The socket takes datagrams from the server only. */
export class UdpTransport extends ClientTransport {
  readonly protocol = "UDP";
  #socket: Socket | undefined;
  #retransmitter: Retransmitter | undefined;
  #repetitions: Repetitions | undefined;

  local(): LocalAddress | undefined {
    return this.#socket?.address();
  }

  protected async open(): Promise<void> {
    const { host, port, onFault } = this.options;
    const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
    this.#socket = socket;
    this.#retransmitter = new Retransmitter((message) => socket.send(message));
    this.#repetitions = new Repetitions((message) => socket.send(message));
    // A refused datagram is no end: the server may be back before the request's last repetition.
    socket.on("error", (error) => onFault?.(error));
    socket.on("message", (message) => {
      this.#retransmitter?.received(message);
      if (this.#repetitions?.absorbs(message) !== true) this.deliver(message);
    });
    socket.connect(port, host);
    await once(socket, "connect");
  }

  protected async transmit(message: Buffer): Promise<void> {
    this.#retransmitter?.sent(message);
    this.#repetitions?.sent(message);
    this.#socket?.send(message);
  }

  protected async shut(): Promise<void> {
    this.#retransmitter?.close();
    this.#repetitions?.close();
    this.#socket?.close();
  }
}
