import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import { limits } from "../runtime/limits.ts";
import { createRequest } from "../sip/message/build.ts";
import { randomTag } from "../sip/message/tags.ts";
import type { SipStack } from "../sip/stack.ts";
import { epochIn } from "./aorta-headers.ts";

/** The epoch under which the user's clients have last registered at a server; `undefined` where it does not say. */
export type RegistrationEpoch = (server: ServerId, aor: Aor) => Promise<Epoch | undefined>;

/** Asks servers themselves, with a REGISTER over the mesh that binds nothing. @see RFC 3261 §10.2.3 */
export function createRegistrationEpoch(components: {
  readonly stack: Pick<SipStack, "send">;
  readonly domain: string;
}): RegistrationEpoch {
  const { stack, domain } = components;
  return async (server, aor) => {
    const from = `<${aor}>;tag=${randomTag()}`;
    const request = createRequest({ method: "REGISTER", uri: `sip:${domain}`, from, to: `<${aor}>` });
    const { addressMs: withinMs } = limits.federation;
    const { status, headers } = await stack.send(request, { transport: "MESH", server }, { withinMs });
    return status === 200 ? epochIn(headers) : undefined;
  };
}
