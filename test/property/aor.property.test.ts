import { expect } from "chai";
import fc from "fast-check";
import { AOR_MAX_BYTES, domainOf, isCanonicalAor, parseAor, tryParseAor, userOf } from "../../dht-schema/aor.ts";
import { aorOfRecordKey, recordKey } from "../../dht-schema/record-key.ts";
import { SchemaError } from "../../dht-schema/schema-error.ts";
import { anyAor, anyHost, anyUser } from "../helpers/arbitraries.ts";

/** Characters that a user part may hold as they are. @see RFC 3261 §25.1 `user` */
const PLAIN = /^[A-Za-z0-9\-_.!~*'()&=+$,;?/]$/;

const hex = (octet: number, upper: boolean) => {
  const digits = octet.toString(16).padStart(2, "0");
  return `%${upper ? digits.toUpperCase() : digits}`;
};

/** A way to write a user: which characters are escaped though they need not be, and in which case the digits are. */
const spelling = fc.infiniteStream(fc.record({ escape: fc.boolean(), upper: fc.boolean() }));

function spell(user: string, choices: Iterator<{ escape: boolean; upper: boolean }>): string {
  let spelled = "";
  for (const character of user) {
    const { escape, upper } = choices.next().value as { escape: boolean; upper: boolean };
    if (PLAIN.test(character) && !escape) spelled += character;
    else for (const octet of Buffer.from(character)) spelled += hex(octet, upper);
  }
  return spelled;
}

const anyCase = (text: string) =>
  fc.infiniteStream(fc.boolean()).map((upper) => {
    return Array.from(text, (character) => (upper.next().value === true ? character.toUpperCase() : character)).join(
      "",
    );
  });

describe("the canonical form of an AoR", () => {
  it("is the same however the URI is spelled: case of scheme and host, escapes, password, port, parameters, headers", () => {
    const spelled = fc.tuple(anyUser, anyHost).chain(([user, host]) =>
      fc.record({
        plain: fc.constant(`sip:${encodeURIComponent(user)}@${host}`),
        scheme: fc.constantFrom("sip", "SIP", "sips", "Sips"),
        user: spelling.map((choices) => spell(user, choices)),
        password: fc.constantFrom("", ":secret", ":"),
        host: anyCase(host),
        dot: fc.constantFrom("", host.startsWith("[") ? "" : "."),
        port: fc.constantFrom("", ":5060", ":5061"),
        rest: fc.constantFrom("", ";transport=tcp", ";user=phone;lr", "?Subject=hi", ";lr?a=b"),
      }),
    );
    fc.assert(
      fc.property(spelled, ({ plain, scheme, user, password, host, dot, port, rest }) => {
        const canonical = tryParseAor(plain);
        fc.pre(canonical !== undefined);
        expect(parseAor(`${scheme}:${user}${password}@${host}${dot}${port}${rest}`)).to.equal(canonical);
      }),
      { numRuns: 1_000 },
    );
  });

  it("is its own canonical form, and that of its record key", () => {
    fc.assert(
      fc.property(anyAor, (aor) => {
        expect(parseAor(aor)).to.equal(aor);
        expect(aorOfRecordKey(recordKey(aor))).to.equal(aor);
        expect(`sip:${userOf(aor)}@${domainOf(aor)}`).to.equal(aor);
      }),
      { numRuns: 500 },
    );
  });

  it("is visible ASCII without white space, within its bound, and escapes nothing that needs no escape", () => {
    fc.assert(
      fc.property(anyAor, (aor) => {
        expect(aor).to.match(/^sip:[\x21-\x7e]+@[\x21-\x7e]+$/);
        expect(aor.length).to.be.at.most(AOR_MAX_BYTES);
        for (const [, digits] of userOf(aor).matchAll(/%(..)/g)) {
          expect(digits).to.match(/^[0-9A-F]{2}$/);
          expect(String.fromCharCode(parseInt(digits as string, 16))).not.to.match(PLAIN);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("tells users apart that differ in anything but spelling", () => {
    fc.assert(
      fc.property(anyUser, anyUser, anyHost, (one, other, host) => {
        fc.pre(one !== other);
        const aors = [one, other].map((user) => tryParseAor(`sip:${encodeURIComponent(user)}@${host}`));
        fc.pre(aors.every((aor) => aor !== undefined));
        expect(aors[0]).not.to.equal(aors[1]);
      }),
    );
  });

  it("is found or refused by the schema, whatever the text", () => {
    const texts = fc.oneof(
      fc.string({ unit: "binary" }),
      fc
        .tuple(fc.constantFrom("sip:", "sips:", "sip:a@", "tel:", ""), fc.string(), fc.constantFrom("", "@h", "@[::1]"))
        .map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(texts, (text) => {
        try {
          expect(parseAor(parseAor(text))).to.equal(parseAor(text));
        } catch (error) {
          expect(error).to.be.instanceOf(SchemaError);
          expect((error as SchemaError).code).to.equal("BAD_AOR");
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("is found only under record keys that spell it canonically", () => {
    fc.assert(
      fc.property(anyAor, fc.nat(), fc.nat(255), (aor, at, octet) => {
        const key = recordKey(aor);
        key[at % key.length] = octet;
        try {
          expect(recordKey(aorOfRecordKey(key))).to.deep.equal(key);
        } catch (error) {
          expect(error).to.be.instanceOf(SchemaError);
        }
      }),
      { numRuns: 2_000 },
    );
    const aor = parseAor("sip:alice@example.com");
    const marked = Buffer.concat([Buffer.from("\ufeff"), recordKey(aor)]);
    expect(() => aorOfRecordKey(marked)).to.throw(SchemaError);
  });

  it("is recognised as canonical exactly where parsing leaves it as it is", () => {
    const nearlyOne = fc.string({
      unit: fc.constantFrom(..."sip:aZ9@.-%4ë[]1;?&é/ \u0000".split("")),
      maxLength: 24,
    });
    const text = fc.oneof(
      anyAor,
      nearlyOne.map((tail) => `sip:a${tail}`),
      fc.string(),
    );
    fc.assert(
      fc.property(text, fc.nat(), (source, at) => {
        for (const one of [source, source.slice(0, at % 30), source.toUpperCase(), source.replace("@", "%40")])
          expect(isCanonicalAor(one)).to.equal(tryParseAor(one) === one);
      }),
      { numRuns: 2_000 },
    );
  });
});
