import type { Flow } from "../sip/stack.ts";
import { withinAny } from "../sip/transport/networks.ts";

/** A SIP server of the domain that has no node of its own, or all of a network. */
export interface TrustedServer {
  /** IP literal, or a network such as `10.0.0.0/8`, as sockets write addresses. */
  readonly address: string;
  /** It sends from that port over UDP, and by nothing else; absent: from any, and over TCP and TLS too. */
  readonly port?: number;
}

/**
 * Names the server that the operator trusts behind a flow; `undefined` where there is none. Each address of a network is a server of its own. TLS and TCP prove the
 * address; UDP does where the network does.
 */
export function trustedServers(servers: readonly TrustedServer[]): (flow: Flow) => string | undefined {
  const known = servers.map(({ address, port }) => ({ includes: withinAny([address]), port }));
  return (flow) => {
    if (flow.transport === "MESH") return undefined;
    const { transport, address, port } = flow;
    // Whoever connects does so from another port than it listens on, one that anybody on its machine can have.
    const isAt = (own: number | undefined) => own === undefined || (transport === "UDP" && own === port);
    const found = known.find((server) => server.includes(address) && isAt(server.port));
    return found && `${address} ${found.port ?? "any"}`;
  };
}
