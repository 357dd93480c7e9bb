import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { textOf } from "../../../node/history/message-text.ts";
import { createRequest } from "../../../node/sip/message/build.ts";

const message = (type: string | undefined, body: string | Uint8Array, encoding?: string) =>
  textOf(
    createRequest({
      method: "MESSAGE",
      uri: "sip:bob@example.com",
      from: "<sip:alice@example.com>;tag=1",
      to: "<sip:bob@example.com>",
      headers: [
        ...(type === undefined ? [] : [["Content-Type", type] as const]),
        ...(encoding === undefined ? [] : [["Content-Encoding", encoding] as const]),
      ],
      body,
    }),
  );

describe("what a person wrote in a message", () => {
  it("is the body, if that is plain text", () => {
    expect(message("text/plain", "hello")).to.equal("hello");
    expect(message("Text/Plain;charset=utf-8", "käse")).to.equal("käse");
    expect(message(undefined, "hello")).to.equal("hello");
  });

  it("is what CPIM encloses, if that is plain text", () => {
    const cpim = (type: string) =>
      `From: <sip:a@b>\r\nNS: imdn <urn:ietf:params:imdn>\r\n\r\nContent-type: ${type}\r\nContent-ID: <1>\r\n\r\none\r\n\r\ntwo`;
    expect(message("message/cpim", cpim("text/plain; charset=utf-8"))).to.equal("one\r\n\r\ntwo");
    expect(message("message/cpim", cpim("message/imdn+xml"))).to.equal(undefined);
    expect(message("message/cpim", "no empty line")).to.equal(undefined);
  });

  it("is read in the character set that it says, and as UTF-8 where that is unknown", () => {
    const latin1 = Buffer.from("Grüße", "latin1");
    expect(message("text/plain;charset=iso-8859-1", latin1)).to.equal("Grüße");
    expect(message('text/plain; format=flowed; Charset="ISO-8859-1"', latin1)).to.equal("Grüße");
    expect(message("text/plain;charset=Shift_JIS", Uint8Array.of(0x93, 0x8c, 0x8b, 0x9e))).to.equal("東京");
    expect(message("text/plain;charset=klingon", "Grüße")).to.equal("Grüße");
    const head = Buffer.from("From: Jürgen <sip:a@b>\r\n\r\nContent-Type: text/plain; charset=latin1\r\n\r\n");
    expect(message("message/cpim", Buffer.concat([head, latin1]))).to.equal("Grüße");
    expect(message("message/cpim", "A: b\r\n\r\nContent-Type: text/plain\r\n\r\nGrüße")).to.equal("Grüße");
  });

  it("is nothing where the body is encoded", () => {
    expect(message("text/plain", gzipSync("hello"), "gzip")).to.equal(undefined);
    expect(message("text/plain", "hello", "identity")).to.equal("hello");
  });

  it("is nothing in notifications, pictures and the like", () => {
    for (const type of ["message/imdn+xml", "image/png", "application/im-iscomposing+xml", ""])
      expect(message(type, "x"), type).to.equal(undefined);
  });
});
