import { ConfigurationError, OperationalError } from "../../runtime/errors.ts";
import { formatHostPort } from "../message/uri.ts";
import type { ListenAddress } from "../stack.ts";

/** Whether an address means all of the machine's. */
export function isWildcard(address: string): boolean {
  return address === "0.0.0.0" || address === "::";
}

/** The port of a transport where none is named. @see RFC 3261 §19.1.2; RFC 7118 §5.3 */
export function defaultPort(transport: string): number {
  switch (transport.toUpperCase()) {
    case "TLS":
      return 5061;
    case "WS":
      return 80;
    case "WSS":
      return 443;
    default:
      return 5060;
  }
}

/**
 * The URI of a listener for a client that is connected to it. Never `sips`, which would forbid any hop but TLS.
 * @param name by which the node is to be reached, instead of an address of the machine
 * @see RFC 7118 §5.2: `ws` stands for WSS too
 */
export function listenerUri(
  { transport, address, port }: ListenAddress,
  name?: { readonly host: string; readonly port?: number },
): string {
  const parameter = transport === "UDP" ? "" : `;transport=${transport === "WSS" ? "ws" : transport.toLowerCase()}`;
  return `sip:${formatHostPort(name?.host ?? address, name?.port ?? port)}${parameter}`;
}

/** Name of a listener in a flow. */
export function listenerName(listen: { readonly address: string; readonly port: number }): string {
  return formatHostPort(listen.address, listen.port);
}

/** The operator's error behind a failure to bind. */
export function bindError(cause: unknown, { transport, address, port }: ListenAddress): Error {
  const where = `SIP over ${transport} on ${formatHostPort(address, port)}`;
  switch ((cause as NodeJS.ErrnoException).code) {
    case "EADDRINUSE":
      return new OperationalError("PORT_IN_USE", `cannot listen for ${where}: the port is in use`, { cause });
    case "EADDRNOTAVAIL":
      // It may come: by DHCP, or as a virtual address that moves here.
      return new OperationalError(
        "ADDRESS_NOT_AVAILABLE",
        `cannot listen for ${where}: not an address of this machine`,
        { cause },
      );
    case "EACCES":
      return new ConfigurationError("PORT_FORBIDDEN", `cannot listen for ${where}: this user may not use that port`, {
        cause,
      });
    default:
      return new ConfigurationError("CANNOT_LISTEN", `cannot listen for ${where}: ${(cause as Error).message}`, {
        cause,
      });
  }
}
