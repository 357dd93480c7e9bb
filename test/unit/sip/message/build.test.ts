import { expect } from "chai";
import { addToTag, createRequest, createResponse, hasTag, tagOf } from "../../../../node/sip/message/build.ts";
import { parseMessage } from "../../../../node/sip/message/parse-message.ts";
import { serializeMessage } from "../../../../node/sip/message/serialize-message.ts";
import { randomBranch, randomTag } from "../../../../node/sip/message/tags.ts";

const request = createRequest({
  method: "SUBSCRIBE",
  uri: "sip:a@b",
  from: "<sip:j@b>;tag=1",
  to: "<sip:a@b;tag=no>",
  callId: "c",
  cseq: 7,
  headers: [
    ["Via", "SIP/2.0/UDP x;branch=z9hG4bK1"],
    ["Via", "SIP/2.0/UDP y;branch=z9hG4bK2"],
    ["Record-Route", "<sip:p;lr>"],
    ["Event", "presence"],
  ],
  body: "grüß",
});

describe("building SIP messages", () => {
  it("makes a request that parses to itself", () => {
    const parsed = parseMessage(serializeMessage(request));
    expect(parsed).to.deep.include({ kind: "request", method: "SUBSCRIBE", uri: "sip:a@b" });
    expect(parsed.headers.get("CSeq")).to.equal("7 SUBSCRIBE");
    expect(Buffer.from(parsed.body).toString()).to.equal("grüß");
  });

  it("makes a response with what the request gives it", () => {
    const response = createResponse(request, 423, { headers: [["Min-Expires", "60"]], toTag: "t" });
    expect(response.reason).to.equal("Interval Too Brief");
    expect([...response.headers.entries()]).to.deep.equal([
      ["From", "<sip:j@b>;tag=1"],
      ["To", "<sip:a@b;tag=no>;tag=t"],
      ["Call-ID", "c"],
      ["CSeq", "7 SUBSCRIBE"],
      ["Via", "SIP/2.0/UDP x;branch=z9hG4bK1"],
      ["Via", "SIP/2.0/UDP y;branch=z9hG4bK2"],
      ["Min-Expires", "60"],
    ]);
  });

  it("copies Record-Route into what makes a dialog, and no further", () => {
    expect(createResponse(request, 200).headers.get("Record-Route")).to.equal("<sip:p;lr>");
    expect(createResponse(request, 404).headers.get("Record-Route")).to.equal(undefined);
  });

  it("lets given fields replace copied ones", () => {
    const response = createResponse(request, 200, { headers: [["To", "<sip:z@z>"]], reason: "Fine" });
    expect(response.headers.all("To")).to.deep.equal(["<sip:z@z>"]);
    expect(response.reason).to.equal("Fine");
  });

  it("knows a tag of the field from one of the URI", () => {
    expect(hasTag("<sip:a@b;tag=1>")).to.equal(false);
    expect(tagOf("<sip:a@b;tag=1> ; Tag = 2;x")).to.equal("2");
    const { headers } = createResponse(request, 200, { toTag: "t" });
    addToTag(headers, "other");
    expect(tagOf(headers.get("To") as string)).to.equal("t");
  });

  it("makes branches of 128 bits with the cookie, and tags, that do not repeat", () => {
    expect(randomBranch()).to.match(/^z9hG4bK[0-9a-f]{32}$/);
    expect(randomBranch("0badcafe")).to.match(/^z9hG4bK[0-9a-f]{32}\.0badcafe$/);
    const made = new Set(Array.from({ length: 5000 }, () => randomTag()));
    expect(made.size).to.equal(5000);
  });
});
