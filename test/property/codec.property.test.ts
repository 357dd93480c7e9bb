import { expect } from "chai";
import fc from "fast-check";
import type { Codec } from "../../dht-schema/codec.ts";
import { bytes, decode, encode, flag, list, optional, struct, text, uint } from "../../dht-schema/codec.ts";
import type { DirectoryMessage } from "../../dht-schema/directory-messages.ts";
import { BATCH_MESSAGES_MAX, decodeBatch, encodeBatch } from "../../dht-schema/directory-messages.ts";
import { FRAME_MAX_BYTES } from "../../dht-schema/link-frames.ts";
import { SchemaError } from "../../dht-schema/schema-error.ts";
import { anyBatch, anyUint, longestMessages } from "../helpers/arbitraries.ts";

/** Something of every combinator. */
const everything = struct("Test", {
  number: uint(),
  small: uint(200),
  yes: flag,
  words: list(text(40), 5),
  blob: bytes(64),
  maybe: optional(struct("Test", { inner: uint(), names: list(optional(text(10)), 3) })),
});

const anyText = (octets: number) =>
  fc
    .string({ unit: "binary", maxLength: octets })
    .filter((value) => value.isWellFormed() && Buffer.byteLength(value) <= octets);

const anything = fc.record({
  number: anyUint(),
  small: fc.nat(200),
  yes: fc.boolean(),
  words: fc.array(anyText(40), { maxLength: 5 }),
  blob: fc.uint8Array({ maxLength: 64 }),
  maybe: fc.option(
    fc.record({ inner: anyUint(), names: fc.array(fc.option(anyText(10), { nil: undefined }), { maxLength: 3 }) }),
    { nil: undefined },
  ),
});

/** A value, or the error of the schema that says why there is none; anything else is a fault. */
function decodeOrRefuse<T>(codec: Codec<T>, source: Uint8Array): { value: T } | undefined {
  try {
    return { value: decode(codec, source) };
  } catch (error) {
    if (error instanceof SchemaError) return undefined;
    throw error;
  }
}

/** Octets near a valid encoding: some changed, removed or added. */
const damaged = (valid: fc.Arbitrary<Uint8Array>) =>
  fc
    .tuple(
      valid,
      fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom("set", "remove", "add")), {
        minLength: 1,
        maxLength: 4,
      }),
    )
    .map(([source, changes]) => {
      const octets = [...source];
      for (const [at, octet, what] of changes) {
        const place = octets.length === 0 ? 0 : at % octets.length;
        if (what === "set") octets[place] = octet;
        else if (what === "remove") octets.splice(place, 1);
        else octets.splice(place, 0, octet);
      }
      return Uint8Array.from(octets);
    });

describe("the wire encoding", () => {
  it("gives every value back as it was", () => {
    fc.assert(
      fc.property(anything, (value) => {
        expect(decode(everything, encode(everything, value))).to.deep.equal(value);
      }),
      { numRuns: 500 },
    );
  });

  it("has one encoding of each value: whatever can be read is written as the same octets", () => {
    const sources = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      damaged(anything.map((value) => encode(everything, value))),
    );
    fc.assert(
      fc.property(sources, (source) => {
        const read = decodeOrRefuse(everything, source);
        if (read !== undefined) expect(encode(everything, read.value)).to.deep.equal(source);
      }),
      { numRuns: 2_000 },
    );
  });

  it("has one encoding of each text, of any octets", () => {
    const codec = text(200);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 150 }), fc.constantFrom("", "\ufeff", "é", "a\u0000"), (octets, start) => {
        const source = encode(bytes(200), Buffer.concat([Buffer.from(start), octets]));
        const read = decodeOrRefuse(codec, source);
        if (read !== undefined) expect(encode(codec, read.value)).to.deep.equal(source);
      }),
      { numRuns: 2_000 },
    );
  });

  it("refuses every encoding that is cut short, and every one with octets left over", () => {
    fc.assert(
      fc.property(anything, fc.nat(), (value, at) => {
        const whole = encode(everything, value);
        expect(decodeOrRefuse(everything, whole.subarray(0, at % whole.length))).to.equal(undefined);
        expect(decodeOrRefuse(everything, Uint8Array.of(...whole, at & 0xff))).to.equal(undefined);
      }),
      { numRuns: 500 },
    );
  });

  it("writes nothing that its own reader refuses: what is out of bounds is a RangeError", () => {
    const codec = struct("Test", { small: uint(300), name: text(8), blob: bytes(4), few: list(uint(), 2) });
    const values = fc.record({
      // 0 and −0 are the same number.
      small: fc.oneof(fc.integer(), fc.double(), fc.nat(400)).map((value) => value + 0),
      name: fc.string({ unit: "grapheme", maxLength: 10 }).filter((value) => value.isWellFormed()),
      blob: fc.uint8Array({ maxLength: 6 }),
      few: fc.array(fc.nat(), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(values, (value) => {
        let written: Uint8Array;
        try {
          written = encode(codec, value);
        } catch (error) {
          expect(error).to.be.instanceOf(RangeError);
          return;
        }
        expect(decode(codec, written)).to.deep.equal(value);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a batch of directory messages", () => {
  it("is read as it was written, with every message", () => {
    fc.assert(
      fc.property(anyBatch, (batch) => {
        expect(decodeBatch(encodeBatch(batch))).to.deep.equal(batch);
      }),
      { numRuns: 500 },
    );
  });

  it("is refused when it is cut short anywhere", () => {
    fc.assert(
      fc.property(anyBatch, (batch) => {
        const whole = encodeBatch(batch);
        for (let end = 0; end < whole.length; end += 1 + (whole.length >> 6)) {
          expect(() => decodeBatch(whole.subarray(0, end))).to.throw(SchemaError);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("is read or refused by the schema, whatever octets come, and what is read is written as the same", () => {
    const sources = fc.oneof(fc.uint8Array({ maxLength: 80 }), damaged(anyBatch.map(encodeBatch)));
    fc.assert(
      fc.property(sources, (source) => {
        let batch;
        try {
          batch = decodeBatch(source);
        } catch (error) {
          expect(error).to.be.instanceOf(SchemaError);
          return;
        }
        expect(encodeBatch(batch)).to.deep.equal(source);
      }),
      { numRuns: 3_000 },
    );
  });

  it("of as many of the longest messages as it may hold fits into a frame", () => {
    for (const message of longestMessages()) {
      const batch = {
        rosterVersion: 0xffff_ffff,
        messages: new Array<DirectoryMessage>(BATCH_MESSAGES_MAX).fill(message),
      };
      expect(encodeBatch(batch).length, message.type).to.be.below(FRAME_MAX_BYTES);
      expect(decodeBatch(encodeBatch(batch))).to.deep.equal(batch);
    }
  });

  it("holds no more messages than that", () => {
    const messages = new Array<DirectoryMessage>(BATCH_MESSAGES_MAX + 1).fill({ type: "settle", op: 1 });
    expect(() => encodeBatch({ rosterVersion: 1, messages })).to.throw(RangeError);
    const whole = encodeBatch({ rosterVersion: 1, messages: messages.slice(1) });
    const count = encode(uint(), BATCH_MESSAGES_MAX);
    const oneMore = Buffer.concat([
      whole.subarray(0, 1),
      encode(uint(), BATCH_MESSAGES_MAX + 1),
      whole.subarray(1 + count.length),
      whole.subarray(-2),
    ]);
    expect(() => decodeBatch(oneMore)).to.throw(SchemaError);
  });
});

describe("a length that is announced", () => {
  it("allocates nothing before the octets are there", () => {
    const most = 2 ** 50;
    const announced = encode(uint(), most);
    for (const codec of [bytes(most), text(most), list(uint(), most), list(text(most), most)] as Codec<unknown>[]) {
      expect(decodeOrRefuse(codec, announced)).to.equal(undefined);
      expect(decodeOrRefuse(codec, Buffer.concat([announced, new Uint8Array(1000)]))).to.equal(undefined);
    }
  });
});
