import { expect } from "chai";
import { AOR_MAX_BYTES, domainOf, parseAor, tryParseAor, userOf } from "../../../dht-schema/aor.ts";
import { SchemaError } from "../../../dht-schema/schema-error.ts";

describe("an AoR", () => {
  const canonical: Record<string, string> = {
    "sip:alice@example.com": "sip:alice@example.com",
    "SIP:alice@EXAMPLE.com": "sip:alice@example.com",
    "sips:alice@example.com": "sip:alice@example.com",
    "sip:Alice@example.com": "sip:Alice@example.com",
    "sip:alice:secret@example.com": "sip:alice@example.com",
    "sip:alice@example.com:5070": "sip:alice@example.com",
    "sip:alice@example.com.": "sip:alice@example.com",
    "sip:alice@example.com;transport=tcp?Subject=x": "sip:alice@example.com",
    "sip:%61lice@example.com": "sip:alice@example.com",
    "sip:a%2eb@example.com": "sip:a.b@example.com",
    "sip:a%3Bb@example.com": "sip:a;b@example.com",
    "sip:a%40b@example.com": "sip:a%40b@example.com",
    "sip:a%3ab@example.com": "sip:a%3Ab@example.com",
    "sip:a%25b@example.com": "sip:a%25b@example.com",
    "sip:a%20b@example.com": "sip:a%20b@example.com",
    "sip:zo%c3%ab@example.com": "sip:zo%C3%AB@example.com",
    "sip:zoë@example.com": "sip:zo%C3%AB@example.com",
    "sip:+1-212-555-1212;ext=9@example.com;user=phone": "sip:+1-212-555-1212;ext=9@example.com",
    "sip:alice@192.0.2.4:5060": "sip:alice@192.0.2.4",
    "sip:alice@[2001:DB8::1]:5061": "sip:alice@[2001:db8::1]",
    "sip:alice@localhost": "sip:alice@localhost",
  };
  for (const [uri, aor] of Object.entries(canonical)) {
    it(`of ${uri} is ${aor}`, () => {
      expect(parseAor(uri)).to.equal(aor);
    });
  }

  const refused: Record<string, string> = {
    "no scheme": "alice@example.com",
    "another scheme": "tel:+12125551212",
    "no user": "sip:example.com",
    "an empty user": "sip:@example.com",
    "an empty user before a password": "sip::secret@example.com",
    "no host": "sip:alice@",
    "two users": "sip:alice@bob@example.com",
    "a host that begins with a hyphen": "sip:alice@-example.com",
    "a host with an empty label": "sip:alice@example..com",
    "a host with a blank": "sip:alice@exam ple.com",
    "a broken escape": "sip:al%4@example.com",
    "an escape that is no UTF-8": "sip:al%ff@example.com",
    "angle brackets": "<sip:alice@example.com>",
    nothing: "",
  };
  for (const [what, uri] of Object.entries(refused)) {
    it(`is none with ${what}`, () => {
      expect(() => parseAor(uri))
        .to.throw(SchemaError)
        .with.property("code", "BAD_AOR");
      expect(tryParseAor(uri)).to.equal(undefined);
    });
  }

  it("has at most 255 octets, escapes counted", () => {
    const fill = (octets: number) => `sip:${"a".repeat(octets - "sip:@example.com".length)}@example.com`;
    expect(parseAor(fill(AOR_MAX_BYTES))).to.have.length(AOR_MAX_BYTES);
    expect(tryParseAor(fill(AOR_MAX_BYTES + 1))).to.equal(undefined);
    expect(tryParseAor(`sip:${"ë".repeat(50)}@example.com`)).to.equal(undefined);
  });

  it("quotes no more of a bad URI in its error than a line holds", () => {
    expect(() => parseAor("x".repeat(10_000))).to.throw(/^.{0,200}$/);
  });

  it("has a user and a domain", () => {
    const aor = parseAor("sip:a%40b@Example.com");
    expect([userOf(aor), domainOf(aor)]).to.deep.equal(["a%40b", "example.com"]);
  });
});
