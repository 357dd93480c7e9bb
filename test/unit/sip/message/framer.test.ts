import { expect } from "chai";
import { limits } from "../../../../node/runtime/limits.ts";
import type { FrameEvent } from "../../../../node/sip/message/framer.ts";
import { StreamFramer } from "../../../../node/sip/message/framer.ts";

function message(id: string, body = ""): string {
  return `OPTIONS sip:a@b SIP/2.0\r\nCall-ID: ${id}\r\nContent-Length : ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

function texts(events: readonly FrameEvent[]): string[] {
  return events.map((event) => (event.kind === "message" ? Buffer.from(event.bytes).toString() : event.kind));
}

describe("framing SIP on a stream", () => {
  it("cuts pipelined messages, bodies counted in octets", () => {
    const all = [message("1", "grüß"), message("2"), message("3", "\r\n\r\n")];
    expect(texts(new StreamFramer().push(Buffer.from(all.join(""))))).to.deep.equal(all);
  });

  it("gives the same however the octets are cut", () => {
    const all = [message("1", "grüß\r\n\r\n"), message("2"), message("3", "x".repeat(3000))];
    const bytes = Buffer.from(all.join(""));
    for (const size of [1, 2, 3, 7, 100, 1000]) {
      const framer = new StreamFramer();
      const events: FrameEvent[] = [];
      for (let at = 0; at < bytes.length; at += size) events.push(...framer.push(bytes.subarray(at, at + size)));
      expect(texts(events), `chunks of ${size}`).to.deep.equal(all);
      expect(framer.partial).to.equal(false);
    }
  });

  it("keeps a message intact while later octets arrive", () => {
    const framer = new StreamFramer();
    const [first] = framer.push(Buffer.from(message("1", "one") + message("2").slice(0, 10)));
    framer.push(Buffer.from(message("2").slice(10)));
    expect(texts([first as FrameEvent])).to.deep.equal([message("1", "one")]);
  });

  it("sees a ping in a double CRLF between messages, and none in a single one", () => {
    const framer = new StreamFramer();
    expect(texts(framer.push(Buffer.from("\r\n\r\n")))).to.deep.equal(["ping"]);
    expect(texts(framer.push(Buffer.from("\r\n")))).to.deep.equal([]);
    expect(texts(framer.push(Buffer.from(message("1"))))).to.deep.equal([message("1")]);
    for (const octet of "\r\n\r") expect(texts(framer.push(Buffer.from(octet)))).to.deep.equal([]);
    expect(texts(framer.push(Buffer.from("\n")))).to.deep.equal(["ping"]);
  });

  it("knows that part of a message waits", () => {
    const framer = new StreamFramer();
    framer.push(Buffer.from("OPT"));
    expect(framer.partial).to.equal(true);
  });

  it("finds Content-Length in compact and folded form", () => {
    const text = "OPTIONS sip:a@b SIP/2.0\r\nl:\r\n  3 \r\n\r\nabc";
    expect(texts(new StreamFramer().push(Buffer.from(text)))).to.deep.equal([text]);
  });

  for (const [what, field] of [
    ["none", "X: 1"],
    ["one that is no number", "Content-Length: 3x"],
    ["a negative one", "Content-Length: -3"],
    ["one continued by another number", "Content-Length: 3\r\n 4"],
    ["two that differ", "Content-Length: 3\r\nl: 4"],
  ] as const) {
    it(`ends at ${what}, with the request to answer`, () => {
      const framer = new StreamFramer();
      const [first, ...rest] = framer.push(
        Buffer.from(`OPTIONS sip:a@b SIP/2.0\r\nCall-ID: 1\r\n${field}\r\n\r\nabc${message("2")}`),
      );
      if (first?.kind !== "broken") throw new Error("not broken");
      expect(first.error.status).to.equal(400);
      expect(first.error.request?.headers.get("Call-ID")).to.equal("1");
      expect(rest).to.deep.equal([]);
      expect(framer.push(Buffer.from(message("3")))).to.deep.equal([]);
    });
  }

  it("ends at a message above the bound, in its head or by its Content-Length", () => {
    const long = new StreamFramer();
    const chunk = Buffer.from(`X: ${"x".repeat(1000)}\r\n`);
    let event: FrameEvent | undefined;
    let pushed = 0;
    while (event === undefined) {
      [event] = long.push(chunk);
      pushed += chunk.length;
      expect(pushed).to.be.at.most(limits.sip.messageBytes + chunk.length);
    }
    expect(event).to.deep.include({ kind: "broken" });
    const [declared] = new StreamFramer().push(
      Buffer.from(`OPTIONS sip:a@b SIP/2.0\r\nl: ${limits.sip.messageBytes}\r\n\r\n`),
    );
    expect(declared).to.have.nested.property("error.status", 513);
  });
});
