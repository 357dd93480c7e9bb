import type { PrivateKey } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import { concat } from "uint8arrays";
import type { Aor } from "./aor.ts";
import { parseAor } from "./aor.ts";
import type { Infer } from "./codec.ts";
import { bytes, decode, encode, struct, text, uint } from "./codec.ts";
import { SchemaError } from "./schema-error.ts";

/** An epoch on the wire. */
export const ballotCodec = struct({
  version: uint(0xffff_ffff),
  counter: uint(2 ** 48 - 1),
  member: uint(0xffff_ffff),
});

const serverBindingCodec = struct({
  aor: text(255),
  epoch: ballotCodec,
  /** Peer id of the owner, which signs. */
  owner: text(128),
  /** Wall clock of the owner when it signed, ms since 1970. Informative: order is by epoch only. */
  signedAtMs: uint(),
});

/** "This AoR is served by this server, since this epoch": the record that any kad-dht peer can read with GET_VALUE. */
export type ServerBinding = Infer<typeof serverBindingCodec>;

const signedCodec = struct({ binding: bytes(1024), signature: bytes(64) });

/** Most octets of a signed binding. */
export const SERVER_BINDING_MAX_BYTES = 1200;

const CONTEXT = new TextEncoder().encode("aorta-binding-1\0");

/** Signs a binding with its owner's key. */
export async function signServerBinding(binding: ServerBinding, ownerKey: PrivateKey): Promise<Uint8Array> {
  const encoded = encode(serverBindingCodec, binding);
  return encode(signedCodec, { binding: encoded, signature: await ownerKey.sign(concat([CONTEXT, encoded])) });
}

/**
 * The binding of a signed encoding. Whether the owner is a server of the domain is for the caller to check.
 * @throws {SchemaError} `BAD_FRAME`, `BAD_SIGNATURE`, `BAD_AOR`, `BAD_RECORD`
 */
export async function openServerBinding(signed: Uint8Array): Promise<ServerBinding & { readonly aor: Aor }> {
  const { binding: encoded, signature } = decode(signedCodec, signed);
  const binding = decode(serverBindingCodec, encoded);
  const publicKey = ownerKeyOf(binding.owner);
  if (!(await publicKey.verify(concat([CONTEXT, encoded]), signature))) {
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
  if (publicKey === undefined) throw new SchemaError("BAD_RECORD", "owner's peer id does not hold its key");
  return publicKey;
}
