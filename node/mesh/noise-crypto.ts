import type { KeyObject } from "node:crypto";
import { createCipheriv, createDecipheriv, createSecretKey } from "node:crypto";
import type { ICryptoInterface } from "@chainsafe/libp2p-noise";
import { asCrypto, defaultCrypto } from "@chainsafe/libp2p-noise/crypto";

const CIPHER = "chacha20-poly1305";
const TAG_BYTES = 16;
const OPTIONS = { authTagLength: TAG_BYTES };
/** Below, WebAssembly without a cipher object to make is faster than OpenSSL with one. */
const SMALL_BYTES = 512;

/** Importing a key costs OpenSSL several times what it costs to encrypt a frame with it: each is imported once. */
const imported = new WeakMap<Uint8Array, KeyObject>();

function keyOf(octets: Uint8Array): KeyObject {
  let key = imported.get(octets);
  if (key === undefined) imported.set(octets, (key = createSecretKey(octets)));
  return key;
}

/** The cryptography of Noise by `node:crypto`, for frames of a few hundred to some thousand octets. */
export const noiseCrypto: ICryptoInterface = {
  ...defaultCrypto,
  chaCha20Poly1305Encrypt(plaintext, nonce, ad, k) {
    if (plaintext.byteLength < SMALL_BYTES) return asCrypto.chaCha20Poly1305Encrypt(plaintext, nonce, ad, k);
    const cipher = createCipheriv(CIPHER, keyOf(k), nonce, OPTIONS);
    if (ad.length > 0) cipher.setAAD(ad, { plaintextLength: plaintext.byteLength });
    const sealed = cipher.update(plaintext.subarray());
    cipher.final();
    return Buffer.concat([sealed, cipher.getAuthTag()]);
  },
  chaCha20Poly1305Decrypt(ciphertext, nonce, ad, k, dst) {
    if (ciphertext.byteLength < SMALL_BYTES) return asCrypto.chaCha20Poly1305Decrypt(ciphertext, nonce, ad, k, dst);
    const octets = ciphertext.subarray();
    const decipher = createDecipheriv(CIPHER, keyOf(k), nonce, OPTIONS);
    const end = octets.length - TAG_BYTES;
    if (ad.length > 0) decipher.setAAD(ad, { plaintextLength: end });
    decipher.setAuthTag(octets.subarray(end));
    const opened = decipher.update(octets.subarray(0, end));
    decipher.final();
    return opened;
  },
};
