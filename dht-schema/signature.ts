import type { PrivateKey, PublicKey } from "@libp2p/interface";
import { concat } from "uint8arrays";

/** Octets of an Ed25519 signature. */
export const SIGNATURE_BYTES = 64;

/** Signs octets for one purpose: the context keeps a signature from being taken for one of something else. */
export async function signIn(context: Uint8Array, octets: Uint8Array, key: PrivateKey): Promise<Uint8Array> {
  return key.sign(concat([context, octets]));
}

/** Whether the signature is this key's, over these octets, for this purpose. */
export async function isSignedIn(
  context: Uint8Array,
  octets: Uint8Array,
  signature: Uint8Array,
  key: PublicKey,
): Promise<boolean> {
  if (signature.length !== SIGNATURE_BYTES) return false;
  return key.verify(concat([context, octets]), signature);
}
