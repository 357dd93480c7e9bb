import type { PrivateKey } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import type { Aor } from "./aor.ts";
import { parseAor } from "./aor.ts";
import { BALLOT_MAX } from "./ballot.ts";
import type { Infer } from "./codec.ts";
import { bytes, decode, encode, struct, text, uint } from "./codec.ts";
import { SchemaError } from "./schema-error.ts";
import { isSignedIn, SIGNATURE_BYTES, signIn } from "./signature.ts";

/** An epoch on the wire. */
export const ballotCodec = struct("ballot", {
  version: uint(BALLOT_MAX.version),
  counter: uint(BALLOT_MAX.counter),
  member: uint(BALLOT_MAX.member),
});

export const serverBindingCodec = struct("ServerBinding", {
  aor: text(255),
  epoch: ballotCodec,
  /** Peer id of the owner, which signs. */
  owner: text(128),
  /** Wall clock of the owner when it signed, ms since 1970. Informative: order is by epoch only. */
  signedAtMs: uint(),
});

/** "This AoR is served by this server, since this epoch": the record that any kad-dht peer can read with GET_VALUE. */
export type ServerBinding = Infer<typeof serverBindingCodec>;

export const signedBindingCodec = struct("SignedServerBinding", {
  binding: bytes(1024),
  signature: bytes(SIGNATURE_BYTES),
});

/** Most octets of a signed binding. */
export const SERVER_BINDING_MAX_BYTES = 1200;

const CONTEXT = new TextEncoder().encode("aorta-binding-1\0");

/** Signs a binding with its owner's key. */
export async function signServerBinding(binding: ServerBinding, ownerKey: PrivateKey): Promise<Uint8Array> {
  const encoded = encode(serverBindingCodec, binding);
  return encode(signedBindingCodec, { binding: encoded, signature: await signIn(CONTEXT, encoded, ownerKey) });
}

/**
 * The binding of a signed encoding. Whether the owner is a server of the domain is for the caller to check.
 * @throws {SchemaError} `BAD_FRAME`, `BAD_SIGNATURE`, `BAD_AOR`, `BAD_RECORD`
 */
export async function openServerBinding(signed: Uint8Array): Promise<ServerBinding & { readonly aor: Aor }> {
  const { binding: encoded, signature } = decode(signedBindingCodec, signed);
  const binding = decode(serverBindingCodec, encoded);
  const publicKey = ownerKeyOf(binding.owner);
  if (!(await isSignedIn(CONTEXT, encoded, signature, publicKey))) {
    throw new SchemaError("BAD_SIGNATURE", "binding is not signed by the owner it names");
  }
  const aor = parseAor(binding.aor);
  if (aor !== binding.aor) throw new SchemaError("BAD_RECORD", "binding holds an AoR that is not canonical");
  return { ...binding, aor };
}

function ownerKeyOf(owner: string) {
  let publicKey;
  try {
    publicKey = peerIdFromString(owner).publicKey;
  } catch (cause) {
    throw new SchemaError("BAD_RECORD", "owner is not a peer id", { cause });
  }
  if (publicKey?.type !== "Ed25519")
    throw new SchemaError("BAD_RECORD", "owner's peer id does not hold an Ed25519 key");
  return publicKey;
}
