import type { ServerId } from "../../dht-schema/roster.ts";
import { limits } from "../runtime/limits.ts";
import { createRequest } from "../sip/message/build.ts";
import { randomTag } from "../sip/message/tags.ts";
import type { ListenAddress, SipStack } from "../sip/stack.ts";
import type { SipName } from "./own-addresses.ts";
import { listenerUri } from "../sip/transport/addresses.ts";

/** Contact values under which clients reach a server, one per listener; none where it does not say. */
export type ServerAddresses = (server: ServerId) => Promise<readonly string[]>;

/** Asks servers themselves, with OPTIONS over the mesh. @see RFC 3261 §11.2 */
export function createServerAddresses(components: {
  readonly stack: Pick<SipStack, "send">;
  readonly domain: string;
}): ServerAddresses {
  const { stack, domain } = components;
  return async (server) => {
    const uri = `sip:${domain}`;
    const request = createRequest({ method: "OPTIONS", uri, from: `<${uri}>;tag=${randomTag()}`, to: `<${uri}>` });
    const { addressMs: withinMs } = limits.federation;
    const { status, headers } = await stack.send(request, { transport: "MESH", server }, { withinMs });
    return status === 200 ? headers.all("Contact") : [];
  };
}

/** What a server answers: where it listens, as whoever asked reaches it. @param name by which it is to be reached */
export function contactsOfListeners(listening: readonly ListenAddress[], name?: SipName): string[] {
  return listening.map((listen) => {
    const uri = listenerUri(listen, name);
    // Who is not connected yet can tell WSS from WS only by the scheme: RFC 7118 §5.2.
    return `<${listen.transport === "WSS" ? uri.replace(/^sip:/, "sips:") : uri}>`;
  });
}
