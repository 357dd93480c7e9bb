import { expect } from "chai";
import fc from "fast-check";
import { FrameSplitter } from "../../../dht-schema/frame-splitter.ts";
import type { Hello } from "../../../dht-schema/link-frames.ts";
import {
  decodeBye,
  decodeHello,
  decodePing,
  encodeBye,
  encodeFrame,
  encodeHello,
  encodePing,
  frameHeaderBytes,
  frameType,
} from "../../../dht-schema/link-frames.ts";
import { SchemaError } from "../../../dht-schema/schema-error.ts";

const HELLO: Hello = {
  minVersion: 1,
  maxVersion: 1,
  software: "aorta/0.1.0",
  name: "server-1",
  boot: 3,
  instance: 77,
  rosterVersion: 7,
  rosterRevision: 2,
  rosterDigest: 2 ** 48 - 1,
  addresses: ["/ip4/192.0.2.1/tcp/4001"],
};

/** Type and body of all frames that a splitter finds in the chunks. */
function split(splitter: FrameSplitter, chunks: readonly Uint8Array[]): [number, string][] {
  const frames: [number, string][] = [];
  for (const chunk of chunks) {
    splitter.push(chunk, (type, body) => {
      frames.push([type, Buffer.from(body).toString("hex")]);
      return true;
    });
  }
  return frames;
}

describe("a frame splitter", () => {
  const frame = fc.tuple(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 400 }));

  it("gives back what was framed, however the octets were chopped up", () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 20 }), fc.array(fc.nat(3000)), (frames, cuts) => {
        const octets = Buffer.concat(frames.map(([type, body]) => encodeFrame(type, body)));
        const ends = [...new Set(cuts.map((cut) => cut % (octets.length + 1)))].sort((a, b) => a - b);
        const chunks = [...ends, octets.length].map((end, i) => octets.subarray(ends[i - 1] ?? 0, end));
        expect(split(new FrameSplitter(), chunks)).deep.equals(
          frames.map(([type, body]) => [type, Buffer.from(body).toString("hex")]),
        );
      }),
    );
  });

  it("copes with lengths of one to three octets", () => {
    for (const size of [0, 126, 127, 16_382, 16_383, 1_000_000]) {
      const encoded = encodeFrame(6, new Uint8Array(size));
      expect(encoded.length - size).equals(frameHeaderBytes(size));
      expect(split(new FrameSplitter(), [encoded])).lengthOf(1);
    }
  });

  it("takes a frame of exactly the bound and refuses one octet more, before the body has come", () => {
    expect(split(new FrameSplitter(100), [encodeFrame(1, new Uint8Array(99))])).lengthOf(1);
    expect(() => split(new FrameSplitter(100), [Uint8Array.of(101)]))
      .throws(SchemaError)
      .property("code", "FRAME_TOO_LARGE");
    expect(() => split(new FrameSplitter(), [Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff)])).throws(
      /frame of more than/,
    );
  });

  it("refuses a frame without a type, and a length that is longer than it need be", () => {
    for (const octets of [[0], [0x80, 0x00], [0x81, 0x00]]) {
      expect(() => split(new FrameSplitter(), [Uint8Array.from(octets)]), String(octets))
        .throws(SchemaError)
        .property("code", "BAD_FRAME");
    }
  });

  it("drops the rest of a chunk when its reader has had enough", () => {
    const octets = Buffer.concat([encodeFrame(1, new Uint8Array()), encodeFrame(2, new Uint8Array())]);
    const types: number[] = [];
    new FrameSplitter().push(octets, (type) => {
      types.push(type);
      return false;
    });
    expect(types).deep.equals([1]);
  });
});

describe("frames between servers", () => {
  it("carry a HELLO whole", () => {
    expect(decodeHello(encodeHello(HELLO))).deep.equals({ hello: HELLO, protocol: 1 });
  });

  it("agree on the highest version that both know, or on none", () => {
    expect(decodeHello(encodeHello({ ...HELLO, maxVersion: 4 })).protocol).equals(1);
    for (const [minVersion, maxVersion] of [
      [2, 4],
      [0, 0],
      [1, 0],
    ] as const) {
      expect(() => decodeHello(encodeHello({ ...HELLO, minVersion, maxVersion })))
        .throws(SchemaError)
        .property("code", "UNKNOWN_VERSION");
    }
  });

  it("judge a HELLO by its versions before anything else in it", () => {
    expect(() => decodeHello(Uint8Array.of(2, 3, 0xff)))
      .throws(SchemaError)
      .property("code", "UNKNOWN_VERSION");
  });

  it("ignore what later versions add to a HELLO, and nothing that is missing", () => {
    const encoded = encodeHello(HELLO);
    expect(decodeHello(Buffer.concat([encoded, Uint8Array.of(1, 2, 3)])).hello).deep.equals(HELLO);
    for (let length = 0; length < encoded.length; length++) {
      expect(() => decodeHello(encoded.subarray(0, length)))
        .throws(SchemaError)
        .property("code", "BAD_FRAME");
    }
  });

  it("carry PING and BYE, whose reason is made printable and cut to fit", () => {
    const ping = { token: 12, rosterVersion: 1, rosterRevision: 9, rosterDigest: 77 };
    expect(decodePing(encodePing(ping))).deep.equals(ping);
    const bye = decodeBye(encodeBye({ code: "SILENT", reason: `nothing\nheard — ${"x".repeat(500)}` }));
    expect(bye.reason)
      .lengthOf(256)
      .and.match(/^nothing heard +x+$/);
  });

  it("throw nothing but a schema error, whatever the octets", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        for (const decode of [decodeHello, decodePing, decodeBye]) {
          try {
            decode(octets);
          } catch (error) {
            expect(error).instanceOf(SchemaError);
          }
        }
      }),
    );
  });

  it("have distinct types", () => {
    const types = Object.values(frameType);
    expect(new Set(types).size).equals(types.length);
  });
});
