import type { PrivateKey, Stream } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import type { InviteToken } from "../../dht-schema/invite-token.ts";
import { parseInviteToken } from "../../dht-schema/invite-token.ts";
import type { JoinAnswer, JoinRequest } from "../../dht-schema/join-messages.ts";
import { JOIN_FRAME, JOIN_PROTOCOL, decodeJoinAnswer, encodeJoinRequest } from "../../dht-schema/join-messages.ts";
import { encodeFrame } from "../../dht-schema/link-frames.ts";
import { ROSTER_MAX_BYTES, openRoster } from "../../dht-schema/roster.ts";
import type { Clock } from "../runtime/clock.ts";
import { ConfigurationError, OperationalError } from "../runtime/errors.ts";
import { limits } from "../runtime/limits.ts";
import { parseAddresses, peerOf } from "./addresses.ts";
import type { Admission } from "./admission.ts";
import { readKey } from "./identity.ts";
import type { MeshHost } from "./mesh-host.ts";
import { readFrame } from "./one-frame.ts";

/** What a joiner brings home. */
export interface Joined {
  readonly domainPublicKey: Uint8Array;
  readonly signed: Uint8Array;
  /** Where the invite made a steward. */
  readonly domainKey: PrivateKey | undefined;
}

/** What a dial or a stream ends with when the gater at the other end has closed the connection after the handshake. */
const REFUSED_BY_GATER: ReadonlySet<string> = new Set([
  "ConnectionClosedError",
  "MuxerClosedError",
  "MuxerUnavailableError",
  "StreamClosedError",
  "StreamResetError",
  "UnexpectedEOFError",
]);

/** A token as an operator gave it. @throws {ConfigurationError} `BAD_INVITE`, `INVITE_EXPIRED` */
export function readToken(text: string, clock: Clock): InviteToken {
  let token: InviteToken;
  try {
    token = parseInviteToken(text);
  } catch (cause) {
    throw new ConfigurationError("BAD_INVITE", (cause as Error).message, { cause });
  }
  if (token.expiresAtMs <= clock.wallMs()) {
    throw new ConfigurationError(
      "INVITE_EXPIRED",
      `the token for ${token.domain} has expired by the clock of this machine: ask for a new one, or set the clock`,
    );
  }
  return token;
}

/**
 * Joins the token's domain through the server that made it. May be repeated after a failure: the same server with the same token
 * gets the same answer.
 * @throws {ConfigurationError} `BAD_INVITE`, `INVITE_EXPIRED`, `INVITE_USED`, `NAME_TAKEN`, `JOIN_REFUSED`
 * @throws {OperationalError} `JOIN_UNREACHABLE`, `JOIN_FAILED`
 */
export async function joinDomain(
  host: MeshHost,
  admission: Admission,
  token: InviteToken,
  self: { readonly name: string; readonly addresses: readonly string[] },
): Promise<Joined> {
  const addresses = parseAddresses(token.addresses, "token");
  const inviter = addresses.map(peerOf).find((peer) => peer !== undefined);
  if (inviter === undefined) throw new ConfigurationError("BAD_INVITE", "the token names no server to join through");
  const signal = AbortSignal.timeout(limits.mesh.joinMs);
  admission.inviter = inviter;
  try {
    const answer = await ask(host, inviter, addresses, { secret: token.secret, ...self }, signal);
    return await check(answer, token, host.peerId.toString());
  } finally {
    admission.inviter = undefined;
  }
}

async function ask(
  host: MeshHost,
  inviter: string,
  addresses: ReturnType<typeof parseAddresses>,
  request: JoinRequest,
  signal: AbortSignal,
): Promise<JoinAnswer> {
  let stream: Stream;
  try {
    await host.dial(addresses, { signal });
    stream = await host.dialProtocol(peerIdFromString(inviter), JOIN_PROTOCOL, { signal });
  } catch (cause) {
    if (!REFUSED_BY_GATER.has((cause as Error).name)) {
      throw new OperationalError(
        "JOIN_UNREACHABLE",
        `no answer from ${addresses.join(", ")}: ${(cause as Error).message}`,
        { cause },
      );
    }
    throw new ConfigurationError(
      "JOIN_REFUSED",
      "the inviter lets nobody in now: the token has been used, has expired, or was made elsewhere; ask for a new one",
      { cause },
    );
  }
  try {
    stream.send(encodeFrame(JOIN_FRAME, encodeJoinRequest(request)));
    const { body } = await readFrame(stream, ROSTER_MAX_BYTES, signal);
    const answer = decodeJoinAnswer(body);
    await stream.close({ signal });
    return answer;
  } catch (cause) {
    stream.abort(cause as Error);
    throw new OperationalError(
      "JOIN_FAILED",
      `the inviter's answer was lost: ${(cause as Error).message}; repeat with the same token`,
      { cause },
    );
  }
}

/** Believes nothing that the key in the token has not signed. */
async function check(answer: JoinAnswer, token: InviteToken, self: string): Promise<Joined> {
  const { accepted, refused } = answer;
  if (refused?.code === "TRY_AGAIN") throw new OperationalError("JOIN_FAILED", refused.reason);
  if (refused !== undefined) throw new ConfigurationError(refused.code, refused.reason);
  if (accepted === undefined) throw new OperationalError("JOIN_FAILED", "the inviter's answer says nothing");
  let roster;
  try {
    roster = await openRoster(accepted.roster, token.domainPublicKey);
  } catch (cause) {
    throw new OperationalError(
      "JOIN_FAILED",
      "the inviter answered with a roster that the domain's key has not signed",
      { cause },
    );
  }
  if (roster.domain !== token.domain || !roster.servers.some((server) => server.id === self)) {
    throw new OperationalError(
      "JOIN_FAILED",
      `the inviter answered with a roster in which this server of ${token.domain} is not`,
    );
  }
  const domainKey = accepted.domainKey === undefined ? undefined : readKey(accepted.domainKey, "the domain's key");
  return { domainPublicKey: token.domainPublicKey, signed: accepted.roster.slice(), domainKey };
}
