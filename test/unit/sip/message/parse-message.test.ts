import { expect } from "chai";
import { limits } from "../../../../node/runtime/limits.ts";
import { createResponse } from "../../../../node/sip/message/build.ts";
import type { SipRequest, SipResponse } from "../../../../node/sip/message/message.ts";
import { parseMessage } from "../../../../node/sip/message/parse-message.ts";
import { serializeMessage } from "../../../../node/sip/message/serialize-message.ts";
import { SipParseError } from "../../../../node/sip/message/sip-parse-error.ts";

const HEAD = [
  "MESSAGE sip:alice@example.com SIP/2.0",
  "Via: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bKabc;rport",
  "From: <sip:joe@example.com>;tag=1",
  "To: <sip:alice@example.com>",
  "Call-ID: c1",
  "CSeq: 1 MESSAGE",
];

function octets(lines: readonly string[], body = ""): Buffer {
  return Buffer.from([...lines, "", body].join("\r\n"));
}

function failure(bytes: Uint8Array): SipParseError {
  try {
    parseMessage(bytes);
  } catch (error) {
    expect(error).to.be.instanceOf(SipParseError);
    return error as SipParseError;
  }
  throw new Error("was parsed");
}

describe("parsing a SIP message", () => {
  it("reads a request, its fields and its body", () => {
    const request = parseMessage(octets([...HEAD, "Content-Length: 5"], "hello")) as SipRequest;
    expect(request.kind).to.equal("request");
    expect(request.method).to.equal("MESSAGE");
    expect(request.uri).to.equal("sip:alice@example.com");
    expect(request.headers.get("Call-ID")).to.equal("c1");
    expect(Buffer.from(request.body).toString()).to.equal("hello");
  });

  it("reads a response, with an empty reason too", () => {
    const response = parseMessage(octets(["SIP/2.0 200 ", ...HEAD.slice(1)])) as SipResponse;
    expect(response.kind).to.equal("response");
    expect(response.status).to.equal(200);
    expect(response.reason).to.equal("");
  });

  it("ignores empty lines before the start line", () => {
    expect(parseMessage(Buffer.concat([Buffer.from("\r\n\r\n"), octets(HEAD)])).kind).to.equal("request");
  });

  it("unfolds continued lines to one space", () => {
    const message = parseMessage(octets([...HEAD, "Subject: one ", " \t two", "\tthree"]));
    expect(message.headers.get("s")).to.equal("one two three");
  });

  it("takes the whole datagram as body without Content-Length, and cuts it with", () => {
    expect(parseMessage(octets(HEAD, "all of it")).body.length).to.equal(9);
    expect(parseMessage(octets([...HEAD, "l: 3"], "all of it")).body.length).to.equal(3);
  });

  it("refuses a datagram shorter than Content-Length says, with what an answer needs", () => {
    const error = failure(octets([...HEAD, "Content-Length: 50"], "short"));
    expect(error.code).to.equal("BAD_CONTENT_LENGTH");
    expect(error.status).to.equal(400);
    expect(error.request?.headers.get("Via")).to.include("z9hG4bKabc");
  });

  for (const value of ["-1", "+5", "5 5", "0x5", "", "1e3", "99999999999999999999"]) {
    it(`refuses Content-Length ${JSON.stringify(value)}`, () => {
      expect(failure(octets([...HEAD, `Content-Length: ${value}`], "hello")).status).to.be.oneOf([400, 413]);
    });
  }

  it("refuses two Content-Lengths that differ", () => {
    expect(failure(octets([...HEAD, "l: 1", "Content-Length: 2"], "ab")).code).to.equal("BAD_CONTENT_LENGTH");
  });

  it("answers another version with 505", () => {
    const error = failure(octets(["OPTIONS sip:a@b SIP/7.0", ...HEAD.slice(1)]));
    expect(error.status).to.equal(505);
    expect(error.request?.method).to.equal("OPTIONS");
  });

  it("refuses a line break that is not CRLF, which could hide a field", () => {
    expect(failure(octets([...HEAD, "Subject: a\nRoute: <sip:x@y>"])).code).to.equal("BAD_HEADER");
    expect(failure(octets([...HEAD, "Subject: a\rRoute: <sip:x@y>"])).code).to.equal("BAD_HEADER");
  });

  it("reads the fields after a malformed one, so that the request can be answered", () => {
    const error = failure(octets([HEAD[0] as string, "no colon here", ...HEAD.slice(1)]));
    expect(error.code).to.equal("BAD_HEADER");
    expect(error.request?.headers.get("CSeq")).to.equal("1 MESSAGE");
  });

  it("refuses fields that are not UTF-8, but no body", () => {
    const head = octets([...HEAD, "Content-Length: 2"]);
    expect(parseMessage(Buffer.concat([head, Buffer.from([0xff, 0xfe])])).body).to.deep.equal(
      Buffer.from([0xff, 0xfe]),
    );
    const broken = Buffer.concat([octets(HEAD).subarray(0, -4), Buffer.from([0xff, 0x0d, 0x0a, 0x0d, 0x0a])]);
    expect(failure(broken).code).to.equal("NOT_UTF8");
  });

  it("holds every bound", () => {
    expect(failure(octets(HEAD, "x".repeat(limits.sip.messageBytes))).status).to.equal(513);
    const many = Array.from({ length: limits.sip.headerCount }, (_, i) => `X-${i}: 1`);
    expect(failure(octets([...HEAD, ...many])).code).to.equal("TOO_MANY_HEADERS");
    expect(failure(octets([...HEAD, `X: ${"x".repeat(limits.sip.headerBytes)}`])).code).to.equal("HEADER_TOO_LONG");
    const uri = `sip:${"u".repeat(limits.sip.uriBytes)}@h`;
    expect(failure(octets([`OPTIONS ${uri} SIP/2.0`, ...HEAD.slice(1)])).status).to.equal(414);
  });

  it("is read as the answer to a request with the longest To there may be: it has a tag besides", () => {
    const { headerBytes, answerAddsBytes } = limits.sip;
    const longest = `To: <sip:${"a".repeat(headerBytes - 22)}@example.com>`;
    const request = parseMessage(octets(HEAD.map((line) => (line.startsWith("To:") ? longest : line))));
    const answer = createResponse(request as SipRequest, 200, { toTag: "0123456789abcdef" });
    expect(parseMessage(serializeMessage(answer)).headers.get("to")).to.have.length.above(headerBytes);
    const answering = ["SIP/2.0 200 OK", ...HEAD.slice(1)];
    const tooLong = octets([...answering, `X: ${"x".repeat(headerBytes + answerAddsBytes)}`]);
    expect(failure(tooLong).code).to.equal("HEADER_TOO_LONG");
  });

  it("says that a head has no end", () => {
    expect(failure(Buffer.from(HEAD.join("\r\n"))).code).to.equal("TRUNCATED");
  });
});

describe("serializing a SIP message", () => {
  it("writes what was read, with the length of the body", () => {
    const bytes = octets([...HEAD, 'Contact: "Zoë" <sip:z@h>', "Content-Length: 6"], "grüß");
    const message = parseMessage(bytes);
    expect(Buffer.from(serializeMessage(message)).toString()).to.equal(bytes.toString());
  });

  it("corrects a wrong Content-Length", () => {
    const message = parseMessage(octets(HEAD, "body"));
    message.headers.set("Content-Length", "1").append("l", "2");
    const text = Buffer.from(serializeMessage(message)).toString();
    expect(text.match(/Content-Length: \d+/g)).to.deep.equal(["Content-Length: 4"]);
    expect(text).to.not.match(/^l:/m);
  });

  it("refuses a start line that would break the message", () => {
    const message = parseMessage(octets(HEAD)) as SipRequest;
    expect(() => serializeMessage({ ...message, uri: "sip:a@b\r\nX: y" })).to.throw("would break the message");
  });
});
