import { expect } from "chai";
import { isTypingNotice } from "../../../node/messaging/typing-notice.ts";
import { createHeaders } from "../../../node/sip/message/headers.ts";

const said = (contentType: string | undefined, lines: readonly string[] = [], lineEnd = "\r\n") =>
  isTypingNotice({
    headers: createHeaders(contentType === undefined ? [] : [["Content-Type", contentType]]),
    body: Buffer.from(lines.join(lineEnd)),
  });
const CPIM = ["From: <sip:a@example.com>", "To: <sip:b@example.com>", "DateTime: 2026-11-28T20:00:00Z", ""];
const COMPOSING = ["Content-Type: application/im-iscomposing+xml", "", "<isComposing/>"];

describe("a notice that somebody is typing", () => {
  it("is known by its type", () => {
    expect(said("application/im-iscomposing+xml")).to.equal(true);
    expect(said(" Application/IM-isComposing+XML ; charset=utf-8")).to.equal(true);
    for (const type of [undefined, "text/plain", "application/im-iscomposing", "application/im-iscomposing+xml2"])
      expect(said(type, COMPOSING), type).to.equal(false);
  });

  it("is known in CPIM by the type of its content, not by what its fields or its text say", () => {
    expect(said("message/cpim", [...CPIM, ...COMPOSING])).to.equal(true);
    expect(said("Message/CPIM;x=y", [...CPIM, "Content-ID: <1>", ...COMPOSING], "\n")).to.equal(true);
    expect(said("message/cpim", [...CPIM, "Content-Type: text/plain", "", ...COMPOSING])).to.equal(false);
    expect(said("message/cpim", [COMPOSING[0]!, ...CPIM, "Content-Type: text/plain", "", "hello"])).to.equal(false);
    expect(said("message/cpim")).to.equal(false);
  });
});
