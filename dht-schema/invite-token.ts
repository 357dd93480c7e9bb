import { createHash } from "node:crypto";
import type { Infer } from "./codec.ts";
import { bytes, decode, encode, list, struct, text, uint } from "./codec.ts";
import { ROSTER_ADDRESSES_MAX } from "./roster.ts";
import { SchemaError } from "./schema-error.ts";

/** Octets of an invite's secret. */
export const INVITE_SECRET_BYTES = 16;
const CHECKSUM_BYTES = 4;
const PUBLIC_KEY_BYTES = 32;
/** First characters of a token, so that people and programs recognise one; the `1` is the format. */
const PREFIX = "aorta1-";

export const inviteTokenCodec = struct("InviteToken", {
  domain: text(253),
  /** Raw Ed25519 key that signs the domain's rosters. */
  domainPublicKey: bytes(PUBLIC_KEY_BYTES),
  /** Where the inviter listens: multiaddrs that end in its peer id. */
  addresses: list(text(256), ROSTER_ADDRESSES_MAX),
  secret: bytes(INVITE_SECRET_BYTES),
  /** Wall clock of the inviter, ms since 1970. */
  expiresAtMs: uint(),
});

/** What a server needs to join a domain; whoever holds it may join once. */
export type InviteToken = Infer<typeof inviteTokenCodec>;

/** One line of text, safe in a shell: `aorta1-` and base64url of the token and the first octets of its SHA-256. */
export function formatInviteToken(token: InviteToken): string {
  const encoded = encode(inviteTokenCodec, token);
  return PREFIX + Buffer.concat([encoded, checksum(encoded)]).toString("base64url");
}

/**
 * Inverse of {@link formatInviteToken}; surrounding white space is ignored.
 * @throws {SchemaError} `BAD_INVITE` when it is not a token, or not all of one
 */
export function parseInviteToken(text: string): InviteToken {
  const trimmed = text.trim();
  if (!trimmed.startsWith(PREFIX)) throw new SchemaError("BAD_INVITE", `a token starts with ${PREFIX}`);
  const digits = trimmed.slice(PREFIX.length);
  if (!/^[A-Za-z0-9_-]+$/.test(digits)) throw new SchemaError("BAD_INVITE", "token holds characters that no token has");
  const octets = Buffer.from(digits, "base64url");
  const encoded = octets.subarray(0, -CHECKSUM_BYTES);
  if (octets.length <= CHECKSUM_BYTES || !checksum(encoded).equals(octets.subarray(-CHECKSUM_BYTES))) {
    throw new SchemaError("BAD_INVITE", "token is damaged or cut short: copy the whole line");
  }
  let token: InviteToken;
  try {
    token = decode(inviteTokenCodec, encoded);
  } catch (cause) {
    throw new SchemaError("BAD_INVITE", "token is malformed", { cause });
  }
  if (token.secret.length !== INVITE_SECRET_BYTES || token.domainPublicKey.length !== PUBLIC_KEY_BYTES) {
    throw new SchemaError("BAD_INVITE", "token is malformed");
  }
  return token;
}

/** What an inviter keeps of a secret: its SHA-256, lower-case hex. */
export function inviteSecretHash(secret: Uint8Array): string {
  return createHash("sha256").update(secret).digest("hex");
}

function checksum(octets: Uint8Array): Buffer {
  return createHash("sha256").update(octets).digest().subarray(0, CHECKSUM_BYTES);
}
