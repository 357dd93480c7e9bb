import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import type { ClientTransportOptions } from "./client-transport.ts";
import { TcpTransport } from "./tcp-transport.ts";

/** SIP over one TLS connection to a server whose certificate is for the host that was asked for. */
export class TlsTransport extends TcpTransport {
  override readonly protocol = "TLS";

  protected override async connectTo({ host, port, authorities }: ClientTransportOptions): Promise<TLSSocket> {
    const socket = connect({ host, port, ...(authorities === undefined ? {} : { ca: authorities }) });
    await once(socket, "secureConnect");
    return socket;
  }
}
