import type { PrivateKey } from "@libp2p/interface";
import { publicKeyFromRaw } from "@libp2p/crypto/keys";
import type { Infer } from "./codec.ts";
import { bytes, decode, encode, optional, struct, text, uint } from "./codec.ts";
import { REASON_MAX_BYTES, reasonText } from "./link-frames.ts";
import { ROSTER_MAX_BYTES } from "./roster.ts";
import { SchemaError } from "./schema-error.ts";
import { isSignedIn, SIGNATURE_BYTES, signIn } from "./signature.ts";

/** What servers ask each other about the roster: one frame of type {@link rosterFrame} each way. */
export const ROSTER_PROTOCOL = "/aorta/roster/1.0.0";

export const rosterFrame = {
  /** To a server that is no longer in the roster: the signed roster that shows so. Not answered. */
  removed: 1,
  /** To the steward, empty body: take me out of the roster. */
  leave: 2,
  /** To any server, empty body: do you hold a copy of the domain's key? */
  holdsKey: 3,
  /** To a voter, a {@link RosterPromise}: take no roster of a lower version from now on. */
  promise: 4,
  /** A {@link RosterAnswer} */
  answer: 5,
} as const;

export const promiseCodec = struct("RosterPromise", {
  /** The version that the asking server is about to publish; greater than any that the asked one has promised before, or has. */
  version: uint(0xffff_ffff),
  /** Peer id of the asking server. */
  seizer: text(128),
});

/** What a server that takes the steward's role asks the voters to promise. */
export type RosterPromise = Infer<typeof promiseCodec>;

export const signedPromiseCodec = struct("SignedRosterPromise", {
  promise: bytes(256),
  signature: bytes(SIGNATURE_BYTES),
});

/** Signed by the domain's Ed25519 key over this and the encoded promise: only who holds the key may ask. */
const PROMISE_CONTEXT = new TextEncoder().encode("aorta-roster-promise-1\0");

export async function signPromise(promise: RosterPromise, domainKey: PrivateKey): Promise<Uint8Array> {
  const encoded = encode(promiseCodec, promise);
  const signature = await signIn(PROMISE_CONTEXT, encoded, domainKey);
  return encode(signedPromiseCodec, { promise: encoded, signature });
}

/** @throws {SchemaError} `BAD_FRAME`, `BAD_SIGNATURE` */
export async function openPromise(signed: Uint8Array, domainPublicKey: Uint8Array): Promise<RosterPromise> {
  const { promise, signature } = decode(signedPromiseCodec, signed);
  if (!(await isSignedIn(PROMISE_CONTEXT, promise, signature, publicKeyFromRaw(domainPublicKey))))
    throw new SchemaError("BAD_SIGNATURE", "the promise is not asked for with the domain's key");
  return decode(promiseCodec, promise);
}

export const rosterAnswerCodec = struct("RosterAnswer", {
  /** Set when what was asked for does not happen. */
  refused: optional(struct("Refused", { code: text(32), reason: text(REASON_MAX_BYTES) })),
  /** The signed roster in force at the server that answers. */
  roster: bytes(ROSTER_MAX_BYTES),
  /** The lowest version of a roster that it will take. */
  floor: uint(0xffff_ffff),
});

export type RosterAnswer = Infer<typeof rosterAnswerCodec>;

/** Octets of an answer; the reason of a refusal is cut to fit. */
export const encodeRosterAnswer = ({ refused, ...rest }: RosterAnswer): Uint8Array =>
  encode(rosterAnswerCodec, { ...rest, refused: refused && { ...refused, reason: reasonText(refused.reason) } });
/** @throws {SchemaError} `BAD_FRAME` */
export const decodeRosterAnswer = (body: Uint8Array): RosterAnswer => decode(rosterAnswerCodec, body);
