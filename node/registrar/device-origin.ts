import { isIP } from "node:net";
import { detached } from "../sip/message/lexical.ts";
import type { SipRequest } from "../sip/message/message.ts";
import { SipParseError } from "../sip/message/sip-parse-error.ts";
import { parseVia } from "../sip/message/via.ts";
import type { Flow } from "../sip/stack.ts";
import { isTranslated } from "../sip/transport/response-path.ts";

/** What a request tells of the device that made it, whatever proxies it passed. */
export interface DeviceOrigin {
  /** The address at which the device was seen, and the host and port that it listens at by its own word. The same over UDP and TCP, and when a connection is made anew. */
  readonly name: string;
  /** Whether proxies are in between: then the flow says nothing of the device. */
  readonly isRelayed: boolean;
}

/**
 * Read from the Via that the device itself has added, which is at the bottom; `undefined` where that cannot be read.
 * @see RFC 3261 §18.1.1 for what it says, §18.2.1 for `received`
 */
export function deviceOriginOf({ headers }: SipRequest, flow: Flow): DeviceOrigin | undefined {
  const vias = headers.all("Via");
  try {
    const { transport, host, port, params } = parseVia(vias.at(-1) ?? "");
    const near = vias.length === 1 && flow.transport !== "MESH" ? flow.address : undefined;
    const seenAt = near ?? params.get("received") ?? host;
    // Kept for as long as what it is the origin of: in memory of its own.
    const name = detached(`${seenAt} ${host} ${port ?? (transport === "TLS" ? 5061 : 5060)}`);
    return { name, isRelayed: near === undefined };
  } catch (error) {
    if (error instanceof SipParseError) return undefined;
    throw error;
  }
}

/**
 * Whether a device over UDP was seen at another address or port than it said that it sends from, without a proxy in between. Who calls itself by a name is taken
 * to be there: that cannot be known.
 */
export function isBehindNat({ flow, path, origin }: ContactWay): boolean {
  if (flow.transport !== "UDP" || path !== undefined || origin === undefined || origin.isRelayed) return false;
  const [, host = "", port = ""] = origin.name.split(" ");
  if (isTranslated(host, flow.address) || isIP(host) === 0) return true;
  // Without rport it asked to be answered elsewhere.
  return flow.listensElsewhere !== true && Number(port) !== flow.port;
}

interface ContactWay {
  readonly flow: Flow;
  readonly path?: readonly string[];
  readonly origin?: DeviceOrigin | undefined;
}
