import { expect } from "chai";
import {
  escapeUser,
  formatUri,
  parseUri,
  sameUri,
  sameUriAs,
  tryParseUri,
  unescapeUri,
} from "../../../../node/sip/message/uri.ts";
import { SipParseError } from "../../../../node/sip/message/sip-parse-error.ts";

describe("SIP URIs", () => {
  it("are taken apart", () => {
    expect(parseUri("SIPS:al%20ice:pa;ss@EXAMPLE.com:5061".replace("pa;ss", "pass"))).to.deep.include({
      scheme: "sips",
      user: "al%20ice",
      password: "pass",
      host: "example.com",
      port: 5061,
    });
    const uri = parseUri("sip:a;b?c@h;lr;Transport=tcp?Subject=x%20y&Route=");
    expect(uri.user).to.equal("a;b?c");
    expect([...uri.params]).to.deep.equal([
      ["lr", ""],
      ["transport", "tcp"],
    ]);
    expect(uri.headers).to.deep.equal([
      ["Subject", "x%20y"],
      ["Route", ""],
    ]);
  });

  for (const text of [
    "sip:alice@example.com",
    "sip:example.com:5060",
    "sip:a@[2001:db8::1]:5070;lr",
    "sips:a:b@h;p=1;q?x=y&z=%20",
    "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
  ]) {
    it(`format back to ${text}`, () => expect(formatUri(parseUri(text))).to.equal(text));
  }

  for (const text of [
    "sip:",
    "sip:@h",
    "sip:a@",
    "sip:a@h:0",
    "sip:a@h:65536",
    "sip:a@h:5x",
    "sip:a b@h",
    "sip:a@h;;lr",
    "sip:a@h;p=",
    "a@h",
    "sip:a@[::1",
    "sip:a@[zz]",
    "sip:a@h..i",
    "sip:a%2@h",
    "sip:a@h?x",
    "sip:a@h;lr;lr",
    "<sip:a@h>",
    "sip:a@h@i",
    "sip:a@-h",
  ]) {
    it(`are refused: ${text}`, () => {
      expect(() => parseUri(text))
        .to.throw(SipParseError)
        .with.property("status", 400);
      expect(tryParseUri(text)).to.equal(undefined);
    });
  }

  it("of another scheme get 416, too long ones 414", () => {
    expect(() => parseUri("tel:+123"))
      .to.throw(SipParseError)
      .with.property("status", 416);
    expect(() => parseUri(`sip:${"a".repeat(3000)}@h`))
      .to.throw(SipParseError)
      .with.property("status", 414);
  });

  it("escape and unescape user names", () => {
    expect(escapeUser("jo e@x;y")).to.equal("jo%20e%40x;y");
    expect(unescapeUri("%C3%BC%40")).to.equal("ü@");
    expect(() => unescapeUri("%ff")).to.throw(SipParseError);
  });

  // RFC 3261 §19.1.4
  for (const [a, b] of [
    ["sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"],
    ["sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"],
    ["sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"],
    ["sip:a@b.com;transport=tcp?to=x&from=y", "sip:a@b.com;transport=TCP?from=y&to=x"],
    [
      "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
      "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ],
    // RFC 5954 §4.2
    ["sip:bob@[2001:db8::9:1]", "sip:bob@[2001:DB8:0:0::9:01]"],
    ["sip:bob@[::ffff:192.0.2.128]", "sip:bob@[::ffff:c000:280]"],
  ] as const) {
    it(`${a} is ${b}`, () => {
      expect(sameUri(parseUri(a), parseUri(b))).to.equal(true);
      expect([b, a, b, "no URI"].map(sameUriAs(a)), "among others").to.deep.equal([true, true, true, false]);
    });
  }
  for (const [a, b] of [
    ["SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"],
    ["sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"],
    ["sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"],
    ["sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"],
    ["sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"],
    ["sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"],
    ["sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"],
    ["sip:bob@[2001:db8::9:1]", "sip:bob@[2001:db8::9:10]"],
    ["sip:a%40b@c", "sip:a%41b@c"],
    ["sips:a@b", "sip:a@b"],
  ] as const) {
    it(`${a} is not ${b}`, () => {
      expect(sameUri(parseUri(a), parseUri(b))).to.equal(false);
      expect([b, a, b].map(sameUriAs(a)), "among others").to.deep.equal([false, true, false]);
    });
  }
});
