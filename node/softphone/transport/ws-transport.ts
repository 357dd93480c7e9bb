import { once } from "node:events";
import { WebSocket } from "ws";
import { ClientTransport } from "./client-transport.ts";

/** SIP over a WebSocket. @see RFC 7118 */
export class WsTransport extends ClientTransport {
  readonly protocol: "WS" | "WSS" = "WS";
  #socket: WebSocket | undefined;

  local(): undefined {
    return undefined;
  }

  protected async open(): Promise<void> {
    const { host, port, authorities } = this.options;
    const authority = host.includes(":") ? `[${host}]` : host;
    const url = `${this.protocol.toLowerCase()}://${authority}:${port}`;
    const socket = new WebSocket(url, "sip", authorities === undefined ? {} : { ca: authorities });
    this.#socket = socket;
    await once(socket, "open");
    socket.on("message", (data) =>
      this.deliver(Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer)),
    );
    socket.on("error", (error) => this.options.onFault?.(error));
    socket.on("close", () => this.lost(new Error("The server closed the WebSocket.")));
  }

  protected transmit(message: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket?.send(message, { binary: false }, (error) => (error ? reject(error) : resolve()));
    });
  }

  protected async shut(): Promise<void> {
    this.#socket?.terminate();
  }
}

/** SIP over a WebSocket over TLS. @see RFC 7118 §5.2 */
export class WssTransport extends WsTransport {
  override readonly protocol = "WSS";
}
