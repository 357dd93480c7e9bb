import { expect } from "chai";
import { parseUser } from "../../node/admin/parse-user.ts";
import { ConfigurationError } from "../../node/runtime/errors.ts";

const parse = (text: string) => parseUser(text, "example.com");

describe("a user as an operator types it", () => {
  it("is a name, an address, or a SIP URI", () => {
    for (const text of ["alice", "alice@example.com", "sip:alice@example.com", "SIPS:alice@EXAMPLE.com", "sip:alice"])
      expect(parse(text), text).to.equal("sip:alice@example.com");
    expect(parse("+4930123")).to.equal("sip:+4930123@example.com");
    expect(parse("a%3Ab")).to.equal("sip:a%3Ab@example.com");
  });

  it("is never what is left of another kind of address, or of one with a password", () => {
    for (const text of ["tel:+123", "mailto:x@example.com", "pres:alice@example.com", "sip:alice:secret@example.com"])
      expect(() => parse(text), text)
        .to.throw(ConfigurationError, `${text} is no SIP address of a user: expected alice,`)
        .with.property("code", "BAD_AOR");
  });

  it("is of this domain", () => {
    expect(() => parse("alice@example.org"))
      .to.throw(ConfigurationError)
      .with.property("code", "FOREIGN_DOMAIN");
  });
});
