import type { Flow } from "../sip/stack.ts";

/** A SIP server of the domain that has no node of its own. */
export interface TrustedServer {
  /** IP literal. */
  readonly address: string;
  /** Absent: any port of that address. */
  readonly port?: number;
}

/**
 * Names the server that the operator trusts behind a flow; `undefined` where there is none. TLS and TCP prove the address; UDP does
 * where the network does.
 */
export function trustedServer(servers: readonly TrustedServer[], flow: Flow): string | undefined {
  if (flow.transport === "MESH") return undefined;
  const { address, port } = flow;
  const found = servers.find((server) => server.address === address && (server.port ?? port) === port);
  return found && `${found.address} ${found.port ?? "any"}`;
}
