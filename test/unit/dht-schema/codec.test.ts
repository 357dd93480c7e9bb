import { expect } from "chai";
import type { Codec } from "../../../dht-schema/codec.ts";
import { bytes, decode, encode, flag, list, optional, struct, text, uint, Writer } from "../../../dht-schema/codec.ts";
import { decodeBatch } from "../../../dht-schema/directory-messages.ts";
import { SchemaError } from "../../../dht-schema/schema-error.ts";

const octets = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));

describe("the encoding of", () => {
  const integers: [number, string][] = [
    [0, "00"],
    [1, "01"],
    [127, "7f"],
    [128, "80 01"],
    [300, "ac 02"],
    [16_383, "ff 7f"],
    [16_384, "80 80 01"],
    [2 ** 32 - 1, "ff ff ff ff 0f"],
    [2 ** 32, "80 80 80 80 10"],
    [2 ** 53 - 1, "ff ff ff ff ff ff ff 0f"],
  ];
  for (const [value, hex] of integers) {
    it(`the integer ${value} is ${hex}`, () => {
      expect(encode(uint(), value)).to.deep.equal(octets(hex));
      expect(decode(uint(), octets(hex))).to.equal(value);
    });
  }

  it("a flag, texts, octets, lists, what may be absent, and fields in their order", () => {
    const codec = struct("Test", {
      yes: flag,
      name: text(9),
      blob: bytes(9),
      few: list(uint(), 9),
      no: optional(flag),
    });
    const value = { yes: true, name: "aë", blob: octets("00 ff"), few: [1, 300], no: undefined };
    expect(encode(codec, value)).to.deep.equal(octets("01 03 61 c3 ab 02 00 ff 02 01 ac 02 00"));
    expect(encode(optional(flag), false)).to.deep.equal(octets("01 00"));
  });

  it("a value longer than the buffer it is first written to", () => {
    const long = "é".repeat(10_000) + "a".repeat(10_000);
    expect(decode(text(30_000), encode(text(30_000), long))).to.equal(long);
  });

  it("what was written so far, as a copy", () => {
    const writer = new Writer();
    writer.uint(300);
    const first = writer.finish();
    writer.octet(9);
    expect([writer.length, first, writer.finish()]).to.deep.equal([3, octets("ac 02"), octets("ac 02 09")]);
  });
});

describe("what is not an encoding", () => {
  const refused: [string, Codec<unknown>, string][] = [
    ["an integer cut short", uint(), "80"],
    ["nothing at all", uint(), ""],
    ["an integer in a longer form than it needs", uint(), "80 00"],
    ["an integer above its bound", uint(200), "c9 01"],
    ["an integer above 2^53−1", uint(), "ff ff ff ff ff ff ff 7f"],
    ["an integer of nine octets", uint(), "80 80 80 80 80 80 80 80 01"],
    ["a flag of 2", flag, "02"],
    ["a presence of 2", optional(flag), "02 00"],
    ["a text longer than its bound", text(2), "03 61 61 61"],
    ["a text cut short", text(9), "03 61 61"],
    ["a text that is no UTF-8", text(9), "02 c3 28"],
    ["half a character", text(9), "03 ed a0 80"],
    ["octets beyond their bound", bytes(1), "02 00 00"],
    ["octets cut short", bytes(9), "03 00 00"],
    ["more items than allowed", list(uint(), 1), "02 01 01"],
    ["more items than there can be octets for", list(uint(), 99), "09 01 01"],
    ["octets left over", uint(), "01 00"],
  ];
  for (const [what, codec, hex] of refused) {
    it(`is refused: ${what}`, () => {
      expect(() => decode(codec, octets(hex)))
        .to.throw(SchemaError)
        .with.property("code", "BAD_FRAME");
    });
  }

  it("is refused in a batch: an unknown message, an unknown reason to refuse", () => {
    expect(() => decodeBatch(octets("01 01 ff")))
      .to.throw(SchemaError)
      .with.property("code", "UNKNOWN_VERSION");
    expect(() => decodeBatch(octets("01 01 06 05 07 01 02 03")))
      .to.throw(SchemaError)
      .with.property("code", "BAD_FRAME");
  });
});

describe("a value out of bounds", () => {
  const refused: [string, () => unknown][] = [
    ["a negative integer", () => encode(uint(), -1)],
    ["a fraction", () => encode(uint(), 1.5)],
    ["no number", () => encode(uint(), NaN)],
    ["an integer above its bound", () => encode(uint(200), 201)],
    ["a text with too many characters", () => encode(text(2), "aaa")],
    ["a text with few characters and too many octets", () => encode(text(2), "aë")],
    ["half a character", () => encode(text(9), "a\ud800")],
    ["too many octets", () => encode(bytes(1), octets("00 00"))],
    ["too many items", () => encode(list(flag, 1), [true, true])],
  ];
  for (const [what, act] of refused) {
    it(`is a programmer's error: ${what}`, () => {
      expect(act).to.throw(RangeError);
    });
  }
});
