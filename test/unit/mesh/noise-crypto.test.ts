import { pureJsCrypto } from "@chainsafe/libp2p-noise";
import { expect } from "chai";
import fc from "fast-check";
import { noiseCrypto } from "../../../node/mesh/noise-crypto.ts";

const sizes = fc.oneof(fc.nat(64), fc.integer({ min: 480, max: 540 }), fc.nat(9000));
const plain = sizes.chain((size) => fc.uint8Array({ minLength: size, maxLength: size }));
const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const nonce = fc.uint8Array({ minLength: 12, maxLength: 12 });
const associated = fc.oneof(fc.constant(new Uint8Array(0)), fc.uint8Array({ minLength: 32, maxLength: 32 }));

describe("the cryptography of Noise", () => {
  it("seals what the reference opens, and opens what the reference seals", () => {
    fc.assert(
      fc.property(plain, key, nonce, associated, (text, k, n, ad) => {
        const sealed = noiseCrypto.chaCha20Poly1305Encrypt(text.slice(), n, ad, k).subarray();
        expect(sealed).deep.equals(pureJsCrypto.chaCha20Poly1305Encrypt(text, n, ad, k).subarray());
        const opened = noiseCrypto.chaCha20Poly1305Decrypt(sealed.slice(), n, ad, k).subarray();
        expect(Uint8Array.from(opened)).deep.equals(text);
      }),
      { numRuns: 200 },
    );
  });

  it("refuses what was changed on its way, at any size", () => {
    fc.assert(
      fc.property(plain, key, nonce, fc.nat(), (text, k, n, at) => {
        const ad = new Uint8Array(0);
        const sealed = Uint8Array.from(noiseCrypto.chaCha20Poly1305Encrypt(text, n, ad, k).subarray());
        sealed[at % sealed.length]! ^= 1;
        expect(() => noiseCrypto.chaCha20Poly1305Decrypt(sealed, n, ad, k)).throws();
      }),
      { numRuns: 100 },
    );
  });
});
