import { expect } from "chai";
import fc from "fast-check";
import { StreamFramer } from "../../../node/softphone/transport/stream-framer.ts";

const message = (body: string, lengthHeader = "Content-Length"): string =>
  `MESSAGE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP x\r\n${lengthHeader}: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

describe("Stream framing", () => {
  it("finds the same messages however the bytes arrive", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: "grapheme", maxLength: 30 }), { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        (bodies, cuts) => {
          const framer = new StreamFramer();
          const bytes = Buffer.from(bodies.map((body) => message(body)).join("\r\n\r\n"));
          const found: string[] = [];
          for (let at = 0, cut = 0; at < bytes.length; cut++) {
            const end = at + cuts[cut % cuts.length]!;
            found.push(...framer.push(bytes.subarray(at, end)).map((frame) => frame.toString()));
            at = end;
          }
          expect(found).to.deep.equal(bodies.map((body) => message(body)));
        },
      ),
    );
  });

  it("reads the compact form of Content-Length", () => {
    expect(new StreamFramer().push(Buffer.from(message("hé", "l")))).to.have.lengthOf(1);
  });

  it("refuses a message without Content-Length, because its end cannot be known", () => {
    expect(() => new StreamFramer().push(Buffer.from("OPTIONS sip:a SIP/2.0\r\nFrom: x\r\n\r\n"))).to.throw(
      "no Content-Length",
    );
  });

  it("refuses what exceeds 64 KiB, announced or not", () => {
    expect(() => new StreamFramer().push(Buffer.from("A: b\r\nContent-Length: 70000\r\n\r\n"))).to.throw("64 KiB");
    expect(() => new StreamFramer().push(Buffer.alloc(70_000, "x"))).to.throw("64 KiB");
  });
});
