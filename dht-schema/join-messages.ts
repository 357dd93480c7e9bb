import type { Infer } from "./codec.ts";
import { bytes, decode, encode, list, optional, struct, text } from "./codec.ts";
import { INVITE_SECRET_BYTES } from "./invite-token.ts";
import { REASON_MAX_BYTES, reasonText } from "./link-frames.ts";
import { ROSTER_ADDRESSES_MAX, ROSTER_MAX_BYTES } from "./roster.ts";

/** One frame of type {@link JOIN_FRAME} each way: {@link JoinRequest}, then {@link JoinAnswer}. */
export const JOIN_PROTOCOL = "/aorta/join/1.0.0";
/** Type of both frames. */
export const JOIN_FRAME = 1;

export const joinRequestCodec = struct("JoinRequest", {
  secret: bytes(INVITE_SECRET_BYTES),
  /** What people shall call the server; unique in the domain. */
  name: text(64),
  /** Where the joiner listens, multiaddrs without the peer id. */
  addresses: list(text(256), ROSTER_ADDRESSES_MAX),
});

/** What a joiner shows. Its peer id is what the Noise handshake proved. */
export type JoinRequest = Infer<typeof joinRequestCodec>;

/** Why a join is refused; each but the last is for the operator who holds the token to mend. */
export type JoinRefusal =
  | "BAD_INVITE"
  | "INVITE_EXPIRED"
  | "INVITE_USED"
  | "NAME_TAKEN"
  | "ALREADY_MEMBER"
  | "BAD_REQUEST"
  | "DOMAIN_FULL"
  | "TRY_AGAIN";

export const joinAnswerCodec = struct("JoinAnswer", {
  /** Set when the joiner is in the roster. */
  accepted: optional(
    struct("Accepted", {
      roster: bytes(ROSTER_MAX_BYTES),
      /** Private key of the domain, as libp2p's protobuf: only where the invite makes a steward. */
      domainKey: optional(bytes(256)),
    }),
  ),
  /** Set when it is not. */
  refused: optional(struct("Refused", { code: text(32), reason: text(REASON_MAX_BYTES) })),
});

/** Exactly one of the two is set. */
export type JoinAnswer = Infer<typeof joinAnswerCodec>;

export const encodeJoinRequest = (request: JoinRequest): Uint8Array => encode(joinRequestCodec, request);
/** @throws {SchemaError} `BAD_FRAME` */
export const decodeJoinRequest = (body: Uint8Array): JoinRequest => decode(joinRequestCodec, body);
/** Octets of an answer; the reason of a refusal is cut to fit. */
export const encodeJoinAnswer = ({ accepted, refused }: JoinAnswer): Uint8Array =>
  encode(joinAnswerCodec, { accepted, refused: refused && { ...refused, reason: reasonText(refused.reason) } });
/** @throws {SchemaError} `BAD_FRAME` */
export const decodeJoinAnswer = (body: Uint8Array): JoinAnswer => decode(joinAnswerCodec, body);
