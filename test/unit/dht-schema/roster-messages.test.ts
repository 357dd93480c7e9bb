import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import { expect } from "chai";
import {
  decodeRosterAnswer,
  encodeRosterAnswer,
  openPromise,
  signPromise,
} from "../../../dht-schema/roster-messages.ts";
import { SchemaError } from "../../../dht-schema/schema-error.ts";
import { codeOf } from "../../helpers/codes.ts";

describe("what servers ask each other about the roster", () => {
  const keyOf = (seed: number) => generateKeyPairFromSeed("Ed25519", new Uint8Array(32).fill(seed));
  const promise = { version: 7, seizer: "12D3KooWQjyKyQJMKCJhoGST9YV3jo8vAEErN1NkwPU1Gn6Xft2g" };

  it("is a promise that only who holds the domain's key can ask for", async () => {
    const [domainKey, otherKey] = [await keyOf(1), await keyOf(2)];
    const signed = await signPromise(promise, domainKey);
    expect(await openPromise(signed, domainKey.publicKey.raw)).to.deep.equal(promise);
    expect(await codeOf(openPromise(signed, otherKey.publicKey.raw))).to.equal("BAD_SIGNATURE");
    const changed = signed.with(1, 8);
    expect(await codeOf(openPromise(changed, domainKey.publicKey.raw))).to.equal("BAD_SIGNATURE");
    expect(await codeOf(openPromise(signed.subarray(1), domainKey.publicKey.raw))).to.equal("BAD_FRAME");
  });

  it("is answered with the roster in force, and with the reason of a refusal, cut to its field", () => {
    const answer = { refused: undefined, roster: Uint8Array.of(1, 2), floor: 9 };
    expect(decodeRosterAnswer(encodeRosterAnswer(answer))).to.deep.equal(answer);
    const refused = { code: "IS_STEWARD", reason: `no\n${"x".repeat(400)}` };
    expect(decodeRosterAnswer(encodeRosterAnswer({ ...answer, refused })).refused?.reason).to.have.length(256);
    expect(() => decodeRosterAnswer(new Uint8Array())).to.throw(SchemaError);
  });
});
