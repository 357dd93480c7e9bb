import { expect } from "chai";
import fc from "fast-check";
import { createHeaders } from "../../../../node/sip/message/headers.ts";
import { parseContact, parseContacts, parseDeltaSeconds } from "../../../../node/sip/message/contact.ts";
import { formatCredentials, parseCredentials } from "../../../../node/sip/message/credentials.ts";
import { parseCSeq } from "../../../../node/sip/message/cseq.ts";
import { formatSubscriptionState, parseEvent, parseSubscriptionState } from "../../../../node/sip/message/event.ts";
import { formatNameAddr, parseNameAddr } from "../../../../node/sip/message/name-addr.ts";
import { SipParseError } from "../../../../node/sip/message/sip-parse-error.ts";
import { branchOf, formatVia, parseVia } from "../../../../node/sip/message/via.ts";

describe("addresses in header fields", () => {
  it("have a name, a URI and parameters of their own", () => {
    const address = parseNameAddr(' "A \\"B\\" <x>, C"  <sip:a@b;lr?h=i> ; Tag = 12 ;flag; q="a;b" ');
    expect(address.displayName).to.equal('A "B" <x>, C');
    expect(address.uri).to.equal("sip:a@b;lr?h=i");
    expect([...address.params]).to.deep.equal([
      ["tag", "12"],
      ["flag", ""],
      ["q", "a;b"],
    ]);
  });

  it("without brackets own every parameter", () => {
    const address = parseNameAddr("sip:a@b;tag=1");
    expect(address.uri).to.equal("sip:a@b");
    expect(address.params.get("tag")).to.equal("1");
  });

  it("may be of any scheme", () => {
    expect(parseNameAddr("<tel:+1-2;ext=3>;tag=4").uri).to.equal("tel:+1-2;ext=3");
    expect(parseNameAddr("isbn:2983792873").uri).to.equal("isbn:2983792873");
  });

  for (const text of [
    "",
    "<sip:a@b",
    '"a <sip:a@b>',
    '"a" sip:a@b',
    "a, b <sip:a@b>",
    "<>",
    "<a@b>",
    "sip:a@b?c=d",
    "sip:a@b,c",
    "<sip:a@b>;;tag=1",
    "<sip:a@b> tag=1",
    "<sip:a@b>;tag=",
    "<sip:a@b>;tag=1;tag=2",
    "< sip:a@b>",
    "<sip:a@b>>",
  ]) {
    it(`are refused: ${text}`, () => expect(() => parseNameAddr(text)).to.throw(SipParseError));
  }

  it("format with quotes where they are needed", () => {
    expect(
      formatNameAddr({
        displayName: 'A "B"',
        uri: "sip:a@b",
        params: new Map([
          ["tag", "1"],
          ["x", "a b"],
          ["y", ""],
        ]),
      }),
    ).to.equal('"A \\"B\\"" <sip:a@b>;tag=1;x="a b";y');
  });
});

describe("Via", () => {
  it("is read with white space where the grammar allows it", () => {
    const via = parseVia(
      "SIP  / 2.0  / tcp     Spindle.example.com : 5070   ;  branch  =   z9hG4bK9ikj8;rport ; received=::1",
    );
    expect(via).to.deep.include({ transport: "TCP", host: "spindle.example.com", port: 5070 });
    expect([...via.params]).to.deep.equal([
      ["branch", "z9hG4bK9ikj8"],
      ["rport", ""],
      ["received", "::1"],
    ]);
  });

  it("holds IPv6", () => {
    const text = "SIP/2.0/UDP [2001:db8::9:1]:5061;received=2001:db8::9:255;branch=z9hG4bKas3";
    expect(parseVia(text)).to.deep.include({ host: "2001:db8::9:1", port: 5061 });
    expect(formatVia(parseVia(text))).to.equal(text);
  });

  for (const text of [
    "",
    "SIP/2.0/UDP",
    "SIP/2.0 UDP a",
    "SIP/3.0/UDP a",
    "SIP/2.0/UDP a;;b",
    "SIP/2.0/UDP a:b",
    "SIP/2.0/U@P a",
  ]) {
    it(`is refused: ${JSON.stringify(text)}`, () => expect(() => parseVia(text)).to.throw(SipParseError));
  }
});

describe("The branch of a Via field", () => {
  it("is that of its first value, however it is written", () => {
    const param = fc.constantFrom(
      ";rport",
      ";received=127.0.0.1",
      ';x=";branch=z9hG4bKother,"',
      "; Branch = z9hG4bK1",
      ";branch=z9hG4bK2",
    );
    const value = fc
      .uniqueArray(param, { selector: (text) => text.slice(1).trim().slice(0, 6).toLowerCase(), maxLength: 4 })
      .map((params) => `SIP/2.0/UDP host:5061${params.join("")}`);
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 3 }), (values) => {
        expect(branchOf(values.join(", "))).to.equal(parseVia(values[0]!).params.get("branch"));
      }),
    );
  });

  it("is not looked for in what is no Via", () => {
    expect(() => branchOf("")).to.throw(SipParseError);
    expect(() => branchOf("SIP/2.0;branch")).to.throw(SipParseError);
  });
});

describe("CSeq", () => {
  it("is a number below 2^31 and a method", () => {
    expect(parseCSeq("0009  INVITE")).to.deep.equal({ sequence: 9, method: "INVITE" });
    expect(parseCSeq("2147483647 A").sequence).to.equal(2147483647);
    for (const text of ["2147483648 A", "36893488147419103232 A", "A", "1", "-1 A", "1.5 A", "1 A B"]) {
      expect(() => parseCSeq(text), text).to.throw(SipParseError);
    }
  });
});

describe("Contact", () => {
  it("has expiry, preference and instance", () => {
    const contact = parseContact('<sip:a@b>;expires=60;q=0.25;+sip.instance="<urn:uuid:1>"');
    expect(contact).to.deep.include({ expiresSeconds: 60, q: 250, instance: "urn:uuid:1" });
    expect(parseContact("<sip:a@b>")).to.not.have.property("expiresSeconds");
    expect(parseContact("<sip:a@b>").q).to.equal(1000);
    expect(() => parseContact("<sip:a@b>;q=2")).to.throw(SipParseError);
  });

  it("is a list, or a star alone", () => {
    expect(parseContacts(createHeaders([["Contact", "*"]]))).to.equal("*");
    expect(parseContacts(createHeaders([["m", "<sip:a@b>, <sip:c@d>"]]))).to.have.length(2);
    expect(() => parseContacts(createHeaders([["m", "*, <sip:c@d>"]]))).to.throw(SipParseError);
  });

  it("counts times above 2^32−1 as that", () => {
    expect(parseDeltaSeconds("10000000000000000000000")).to.equal(2 ** 32 - 1);
    expect(() => parseDeltaSeconds("-1")).to.throw(SipParseError);
  });
});

describe("Event and Subscription-State", () => {
  it("are a word and parameters", () => {
    expect(parseEvent("presence.winfo;id=7")).to.deep.include({ type: "presence.winfo" });
    const state = parseSubscriptionState("Terminated ;reason=deactivated;retry-after=3");
    expect(state.state).to.equal("terminated");
    expect(formatSubscriptionState(state)).to.equal("terminated;reason=deactivated;retry-after=3");
    expect(() => parseEvent(";id=1")).to.throw(SipParseError);
  });
});

describe("credentials and challenges", () => {
  it("are read with quoted and bare values", () => {
    const value = parseCredentials(
      'DIGEST username="a\\"b", realm="x, y",nonce="n" , qop=auth, nc=00000001, uri="sip:a@b"',
    );
    expect(value.scheme).to.equal("digest");
    expect(Object.fromEntries(value.params)).to.deep.equal({
      username: 'a"b',
      realm: "x, y",
      nonce: "n",
      qop: "auth",
      nc: "00000001",
      uri: "sip:a@b",
    });
  });

  it("format with the quotes the grammar asks for", () => {
    const params = new Map([
      ["realm", "r"],
      ["qop", "auth"],
      ["algorithm", "SHA-256"],
    ]);
    expect(formatCredentials({ scheme: "digest", params }, { challenge: true })).to.equal(
      'Digest realm="r", qop="auth", algorithm=SHA-256',
    );
    expect(formatCredentials({ scheme: "digest", params })).to.equal('Digest realm="r", qop=auth, algorithm=SHA-256');
  });

  for (const text of [
    "",
    "Digest",
    "Digest ",
    "Digest a",
    "Digest a=",
    'Digest a="b',
    "Digest a=b c=d",
    "Digest a=1, a=2",
  ]) {
    it(`are refused: ${JSON.stringify(text)}`, () => expect(() => parseCredentials(text)).to.throw(SipParseError));
  }
});
