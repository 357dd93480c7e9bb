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
  /** Whether the registration that was asked for is one of them. A server that does not know the question does not say. */
  readonly isThere: boolean;
}

/** A registration of which it is asked whether a client has made or refreshed it between two times when it spoke here. @see RFC 3261 §10.2 */
export interface SoughtRegistration {
  readonly callId: string;
  /** The CSeq when it was last heard here, and when it was next; what it said elsewhere in the meantime is above the one and below the other. */
  readonly between: readonly [number, number];
}

/** Asks a server about the registrations of a user there. @param sought one in particular */
export type AskRegistration = (
  server: ServerId,
  aor: Aor,
  sought?: SoughtRegistration,
) => Promise<RegistrationElsewhere>;

/** As `Aorta-Registration` has it. */
export function formatSought({ callId, between: [after, before] }: SoughtRegistration): string {
  return `${after} ${before} ${callId}`;
}

/** Inverse of {@link formatSought}; `undefined` where it is malformed. */
export function parseSought(text: string): SoughtRegistration | undefined {
  const [, after, before, callId] = /^(\d{1,10}) (\d{1,10}) (\S+)$/.exec(text.trim()) ?? [];
  return callId === undefined ? undefined : { callId, between: [Number(after), Number(before)] };
}

/** Asks with a REGISTER over the mesh that binds nothing. @see RFC 3261 §10.2.3 */
export function createAskRegistration(components: {
  readonly stack: Pick<SipStack, "send">;
  readonly domain: string;
}): AskRegistration {
  const { stack, domain } = components;
  return async (server, aor, sought) => {
    const from = `<${aor}>;tag=${randomTag()}`;
    const name = sought && formatSought(sought);
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
