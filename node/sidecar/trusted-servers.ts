import type { Flow } from "../sip/stack.ts";

/** A SIP server of the domain that has no node of its own. */
export interface TrustedServer {
  /** IP literal. */
  readonly address: string;
  /** It sends from that port over UDP, and by nothing else; absent: from any, and over TCP and TLS too. */
  readonly port?: number;
}

/**
 * Names the server that the operator trusts behind a flow; `undefined` where there is none. TLS and TCP prove the address; UDP does
 * where the network does.
 */
export function trustedServer(servers: readonly TrustedServer[], flow: Flow): string | undefined {
  if (flow.transport === "MESH") return undefined;
  const { transport, address, port } = flow;
  // Whoever connects does so from another port than it listens on, one that anybody on its machine can have.
  const isAt = (server: TrustedServer) => server.port === undefined || (transport === "UDP" && server.port === port);
  const found = servers.find((server) => server.address === address && isAt(server));
  return found && `${found.address} ${found.port ?? "any"}`;
}
