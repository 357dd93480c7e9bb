import { expect } from "chai";
import fc from "fast-check";
import type { Aor } from "../../../dht-schema/aor.ts";
import { ContactIndex, likenessOf } from "../../../node/registrar/contact-index.ts";

const [ALICE, BOB, CAROL] = ["alice", "bob", "carol"].map((user) => `sip:${user}@example.com` as Aor) as [
  Aor,
  Aor,
  Aor,
];
const PHONE = "sip:alice@192.0.2.1:5062";

describe("index of contacts", () => {
  it("knows a Contact however its parameters, escapes and host are written", () => {
    const index = new ContactIndex();
    index.change(ALICE, [], ["sip:%61lice@[2001:DB8::1]:5062;transport=udp;ob"]);
    for (const same of [
      "sip:alice@[2001:db8::1]:5062",
      "sip:alice@[2001:db8:0::1]:5062;transport=udp",
      "sips:alice@[2001:db8::1]:5062",
    ])
      expect([...index.usersNear(same)], same).to.deep.equal([ALICE]);
  });

  it("tells users and hosts apart, and what differs by its port alone", () => {
    const index = new ContactIndex();
    index.change(ALICE, [], [PHONE, "sip:192.0.2.7:5062"]);
    for (const other of [
      "sip:alice@192.0.2.2:5062",
      "sip:Alice@192.0.2.1:5062",
      "sip:192.0.2.1:5062",
      "tel:+123",
      "sip:",
    ]) {
      expect([...index.usersNear(other)], other).to.deep.equal([]);
      expect(likenessOf(PHONE, other), other).to.equal(undefined);
    }
    for (const near of ["sip:alice@192.0.2.1", "sip:alice@192.0.2.1:5063;transport=tcp"]) {
      expect([...index.usersNear(near)], near).to.deep.equal([ALICE]);
      expect(likenessOf(PHONE, near), near).to.equal("near");
    }
    expect(likenessOf("sip:192.0.2.7:5062", "sip:192.0.2.7:5063")).to.equal(undefined);
  });

  it("knows at any time exactly who has a Contact", () => {
    const contact = fc.constantFrom(PHONE, `${PHONE};ob`, "sip:192.0.2.1", "sip:a@xyz.invalid;transport=ws", "tel:1");
    const change = fc.record({
      aor: fc.constantFrom(ALICE, BOB, CAROL),
      after: fc.uniqueArray(contact, { maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
        const index = new ContactIndex();
        const bound = new Map<Aor, readonly string[]>();
        for (const { aor, after } of changes) {
          index.change(aor, bound.get(aor) ?? [], after);
          bound.set(aor, after);
          for (const uri of [PHONE, "sip:192.0.2.1", "sip:a@xyz.invalid:5060"]) {
            const expected = [...bound].flatMap(([user, uris]) =>
              uris.some((each) => likenessOf(each, uri) !== undefined) ? user : [],
            );
            expect([...index.usersNear(uri)]).to.have.members(expected);
          }
        }
      }),
    );
  });
});
