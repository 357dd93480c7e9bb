import { isIP } from "node:net";
import { plainAddress } from "../../runtime/ip-addresses.ts";
import type { SocketFlow } from "../stack.ts";
import type { SipRequest } from "../message/message.ts";
import { SipParseError } from "../message/sip-parse-error.ts";
import { parseVia } from "../message/via.ts";

/**
 * The address of the client for whom a proxy sends a request, by the word of the proxy: one for HTTP has said it when it connected, one for SIP has noted it in the Via of who is before it.
 * `undefined` where it does not say.
 * @see RFC 3261 §18.2.1
 */
export function clientBehind(
  { headers }: SipRequest,
  { forwardedFor }: Pick<SocketFlow, "forwardedFor">,
): string | undefined {
  if (forwardedFor !== undefined) return forwardedFor;
  const before = headers.all("Via")[1];
  if (before === undefined) return undefined;
  try {
    const { host, params } = parseVia(before);
    return addressIn(params.get("received") ?? host);
  } catch (error) {
    if (error instanceof SipParseError) return undefined;
    throw error;
  }
}

/** The last address of `X-Forwarded-For`, the one that the proxy at the other end of the connection has added itself. */
export function forwardedFor(header: string | readonly string[] | undefined): string | undefined {
  return addressIn(header?.toString().split(",").at(-1)?.trim() ?? "");
}

function addressIn(text: string): string | undefined {
  const address = text.replace(/^\[(.*)\]$/, "$1");
  return isIP(address) === 0 ? undefined : plainAddress(address);
}
