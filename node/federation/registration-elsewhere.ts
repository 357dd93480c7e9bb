import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import { limits } from "../runtime/limits.ts";
import { createRequest } from "../sip/message/build.ts";
import { randomTag } from "../sip/message/tags.ts";
import type { SipStack } from "../sip/stack.ts";
import { AORTA_REGISTRATION, epochIn } from "./aorta-headers.ts";

/** What another server says of a user's registrations there. */
export interface RegistrationElsewhere {
  /** The epoch under which the user's clients have last registered; absent where the server does not say. */
  readonly epoch?: Epoch | undefined;
  /** Whether the registration that was asked for is one of them, as it was before. A server of an earlier release does not say. */
  readonly isThere: boolean;
}

/** A registration, as a REGISTER names it. */
export interface NamedRegistration {
  readonly callId: string;
  readonly cseq: number;
}

/** Asks a server about the registrations of a user there. @param registration one in particular */
export type AskRegistration = (
  server: ServerId,
  aor: Aor,
  registration?: NamedRegistration,
) => Promise<RegistrationElsewhere>;

/** As `Aorta-Registration` has it. */
export function formatRegistration({ callId, cseq }: NamedRegistration): string {
  return `${cseq} ${callId}`;
}

/** Inverse of {@link formatRegistration}; `undefined` where it is malformed. */
export function parseRegistration(text: string): NamedRegistration | undefined {
  const [, cseq, callId] = /^(\d{1,10}) (\S.*)$/.exec(text.trim()) ?? [];
  return cseq === undefined || callId === undefined ? undefined : { cseq: Number(cseq), callId };
}

/** Asks with a REGISTER over the mesh that binds nothing. @see RFC 3261 §10.2.3 */
export function createAskRegistration(components: {
  readonly stack: Pick<SipStack, "send">;
  readonly domain: string;
}): AskRegistration {
  const { stack, domain } = components;
  return async (server, aor, registration) => {
    const from = `<${aor}>;tag=${randomTag()}`;
    const name = registration && formatRegistration(registration);
    const asked = name === undefined ? [] : [[AORTA_REGISTRATION, name] as const];
    const request = createRequest({
      ...{ method: "REGISTER", uri: `sip:${domain}`, from, to: `<${aor}>`, headers: asked },
    });
    const { addressMs: withinMs } = limits.federation;
    const { status, headers } = await stack.send(request, { transport: "MESH", server }, { withinMs });
    if (status !== 200) return { isThere: false };
    const there = headers.get(AORTA_REGISTRATION)?.trim();
    return { epoch: epochIn(headers), isThere: there !== undefined && there === name };
  };
}
