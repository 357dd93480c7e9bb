import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { assertedIn, stripAssertions } from "../../../node/federation/edge-identity.ts";
import { createHeaders } from "../../../node/sip/message/headers.ts";

const ALICE = "sip:alice@example.com" as Aor;
const asserted = (...values: string[]) =>
  assertedIn(createHeaders(values.map((value) => ["P-Asserted-Identity", value] as const)));

describe("asserted identity", () => {
  it("is the first SIP address", () => {
    expect(asserted('"Alice, A." <sip:Alice@EXAMPLE.com>, <tel:+1>')).to.equal("sip:Alice@example.com");
    expect(asserted("<tel:+1>", "<sips:alice@example.com>")).to.equal(ALICE);
  });

  it("is nobody's where none can be read", () => {
    expect([asserted(), asserted("<tel:+1>"), asserted("<sip:alice"), asserted("sip:example.com")]).to.deep.equal(
      Array.from({ length: 4 }),
    );
  });

  it("of a client is removed, with whom it would like to be and everything else that only servers may say", () => {
    const headers = createHeaders([
      ["p-asserted-identity", "<sip:bob@example.com>"],
      ["From", "<sip:alice@example.com>"],
      ["P-ASSERTED-IDENTITY", "<tel:+1>"],
      ["P-Preferred-Identity", "<sip:bob@example.com>"],
      ["remote-party-id", '"Bob" <sip:bob@example.com>;screen=yes'],
      ["Aorta-Epoch", "1.2.3"],
      ["aorta-owner", "s1"],
    ]);
    expect(stripAssertions(headers)).to.equal(true);
    expect(stripAssertions(headers), "nothing is left").to.equal(false);
    expect([...headers.entries()]).to.deep.equal([["From", "<sip:alice@example.com>"]]);
  });
});
