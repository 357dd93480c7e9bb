import { generateKeyPair, generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import type { PrivateKey } from "@libp2p/interface";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { expect } from "chai";
import fc from "fast-check";
import { parseAor } from "../../dht-schema/aor.ts";
import { bytes, encode, struct } from "../../dht-schema/codec.ts";
import { openBindingRecord } from "../../dht-schema/kad-record.ts";
import { recordKey } from "../../dht-schema/record-key.ts";
import { openRoster, signRoster } from "../../dht-schema/roster.ts";
import { SchemaError } from "../../dht-schema/schema-error.ts";
import type { ServerBinding } from "../../dht-schema/server-binding.ts";
import { openServerBinding, SERVER_BINDING_MAX_BYTES, signServerBinding } from "../../dht-schema/server-binding.ts";
import { anyAor, anyBallot, anyUint, longestMessages } from "../helpers/arbitraries.ts";
import { numbersTo, testRoster } from "../helpers/rosters.ts";

const keyOf = (seed: number) => generateKeyPairFromSeed("Ed25519", new Uint8Array(32).fill(seed));
const ownerOf = (key: PrivateKey) => peerIdFromPrivateKey(key).toString();

/** Ends with an error of the schema, and with no other. */
async function isRefused(opening: Promise<unknown>): Promise<string> {
  try {
    await opening;
  } catch (error) {
    expect(error).to.be.instanceOf(SchemaError);
    return (error as SchemaError).code;
  }
  throw new Error("was believed");
}

const flip = (source: Uint8Array, bit: number) => {
  const changed = Uint8Array.from(source);
  changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
  return changed;
};

describe("a signed roster", () => {
  it("is believed as it was signed", async () => {
    const domainKey = await keyOf(1);
    const servers = fc.integer({ min: 1, max: 30 });
    await fc.assert(
      fc.asyncProperty(servers, anyUint(0xffff_ffff), anyUint(0xffff_ffff), async (count, version, revision) => {
        const voters = numbersTo(count).filter((number) => number === 1 || number % 2 === 0);
        const roster = testRoster(count, { version, revision, voters, oldVoters: version % 2 === 0 ? [1] : [] });
        const signed = await signRoster(roster, domainKey);
        expect(await openRoster(signed, domainKey.publicKey.raw)).to.deep.equal(roster);
      }),
      { numRuns: 30 },
    );
  });

  it("is refused with any bit flipped, and cut short anywhere", async () => {
    const domainKey = await keyOf(1);
    const signed = await signRoster(testRoster(2), domainKey);
    for (let bit = 0; bit < signed.length * 8; bit++) {
      await isRefused(openRoster(flip(signed, bit), domainKey.publicKey.raw));
    }
    for (let end = 0; end < signed.length; end++) {
      await isRefused(openRoster(signed.subarray(0, end), domainKey.publicKey.raw));
    }
  }).timeout(20_000);

  it("is refused when another key signed it, or the same key something else", async () => {
    const [domainKey, otherKey] = await Promise.all([keyOf(1), keyOf(2)]);
    const roster = testRoster(2);
    expect(await isRefused(openRoster(await signRoster(roster, otherKey), domainKey.publicKey.raw))).to.equal(
      "BAD_SIGNATURE",
    );
    const signed = await signRoster(roster, domainKey);
    const envelope = struct("Test", { roster: bytes(10_000), signature: bytes(64) });
    const inner = signed.subarray(2, signed.length - 65);
    const withoutContext = encode(envelope, { roster: inner, signature: await domainKey.sign(inner) });
    expect(withoutContext.length, "the envelope is rebuilt rightly").to.equal(signed.length);
    expect(await isRefused(openRoster(withoutContext, domainKey.publicKey.raw))).to.equal("BAD_SIGNATURE");
  });
});

describe("a signed server binding", () => {
  const binding = async (changes: Partial<ServerBinding> = {}): Promise<ServerBinding> => ({
    aor: parseAor("sip:alice@example.com"),
    epoch: { version: 3, counter: 70_000, member: 2 },
    owner: ownerOf(await keyOf(3)),
    signedAtMs: 1_800_000_000_000,
    ...changes,
  });

  it("is believed as its owner signed it", async () => {
    const key = await keyOf(3);
    await fc.assert(
      fc.asyncProperty(anyAor, anyBallot, anyUint(), async (aor, epoch, signedAtMs) => {
        const value = await binding({ aor, epoch, signedAtMs });
        const signed = await signServerBinding(value, key);
        expect(signed.length).to.be.at.most(SERVER_BINDING_MAX_BYTES);
        expect(await openServerBinding(signed)).to.deep.equal(value);
        expect(await openBindingRecord(recordKey(aor), signed)).to.deep.equal(value);
      }),
      { numRuns: 50 },
    );
  });

  it("fits into its bound for the longest AoR", async () => {
    const longest = longestMessages().find((message) => message.type === "prepare");
    const { aor, ballot } = longest as { aor: ReturnType<typeof parseAor>; ballot: ServerBinding["epoch"] };
    const signed = await signServerBinding(
      await binding({ aor, epoch: ballot, signedAtMs: 2 ** 53 - 1 }),
      await keyOf(3),
    );
    expect(signed.length).to.be.at.most(SERVER_BINDING_MAX_BYTES);
    expect((await openServerBinding(signed)).aor).to.equal(aor);
  });

  it("is refused with any bit flipped, and cut short anywhere", async () => {
    const signed = await signServerBinding(await binding(), await keyOf(3));
    for (let bit = 0; bit < signed.length * 8; bit++) await isRefused(openServerBinding(flip(signed, bit)));
    for (let end = 0; end < signed.length; end++) await isRefused(openServerBinding(signed.subarray(0, end)));
  }).timeout(20_000);

  it("is refused when another server signed it than the one it names", async () => {
    const signed = await signServerBinding(await binding(), await keyOf(4));
    expect(await isRefused(openServerBinding(signed))).to.equal("BAD_SIGNATURE");
  });

  it("is refused when its owner is no peer id that holds an Ed25519 key, whoever signed it", async () => {
    const key = await keyOf(3);
    for (const other of [await generateKeyPair("secp256k1"), await generateKeyPair("RSA", 2048)]) {
      const named = await binding({ owner: ownerOf(other) });
      expect(await isRefused(openServerBinding(await signServerBinding(named, key)))).to.equal("BAD_RECORD");
    }
    for (const owner of ["", "alice"]) {
      await isRefused(openServerBinding(await signServerBinding(await binding({ owner }), key)));
    }
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 60 }), async (owner) => {
        await isRefused(openServerBinding(await signServerBinding(await binding({ owner }), key)));
      }),
      { numRuns: 100 },
    );
  });

  it("is refused when its AoR is not canonical, or not the one of the record's key", async () => {
    const key = await keyOf(3);
    for (const aor of ["sip:alice@EXAMPLE.com", "sips:alice@example.com", "sip:al%69ce@example.com", "alice", ""]) {
      await isRefused(openServerBinding(await signServerBinding(await binding({ aor }), key)));
    }
    const signed = await signServerBinding(await binding(), key);
    expect(await isRefused(openBindingRecord(recordKey(parseAor("sip:bob@example.com")), signed))).to.equal(
      "BAD_RECORD",
    );
  });

  it("is refused by the schema, whatever octets come", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (octets) => {
        await isRefused(openServerBinding(octets));
        await isRefused(openRoster(octets, (await keyOf(1)).publicKey.raw));
      }),
      { numRuns: 300 },
    );
  });

  it("is refused with a signature of another length", async () => {
    const key = await keyOf(3);
    const signed = await signServerBinding(await binding(), key);
    const inner = signed.subarray(1, signed.length - 65);
    const envelope = struct("Test", { binding: bytes(1024), signature: bytes(64) });
    for (const length of [0, 1, 32, 63, 64]) {
      const short = encode(envelope, { binding: inner, signature: new Uint8Array(length) });
      expect(await isRefused(openServerBinding(short)), `${length} octets`).to.equal("BAD_SIGNATURE");
    }
  });
});
