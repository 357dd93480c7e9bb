import { expect } from "chai";
import fc from "fast-check";
import { parseXml } from "../../../../node/presence/pidf/parse-xml.ts";
import {
  escapeAttribute,
  escapeText,
  serializeElement,
  serializeXml,
} from "../../../../node/presence/pidf/serialize-xml.ts";
import { ProtocolError } from "../../../../node/runtime/errors.ts";
import { pidfTextArb } from "./arbitrary-pidf.ts";

const LIMITS = { depth: 8, elements: 50, attributesPerElement: 4 };
const parse = (text: string) => parseXml(new TextEncoder().encode(text), LIMITS);
const refuses = (text: string, message: RegExp) =>
  expect(() => parse(text))
    .to.throw(ProtocolError, message)
    .with.property("code", "BAD_XML");

describe("an XML tree", () => {
  it("keeps prefixes, namespaces, the order of attributes, and mixed content", () => {
    const text = '<a:r xmlns:a="urn:a" z="1" b="2" a:c="3">one<a:x/>two<y xmlns="urn:y">&lt;&amp;</y></a:r>';
    const root = parse(text);
    expect(root.namespace).to.equal("urn:a");
    expect(root.attributes.map(({ name }) => name)).to.deep.equal(["xmlns:a", "z", "b", "a:c"]);
    expect(serializeElement(root)).to.equal(text);
  });

  it("keeps white space that came in by reference", () => {
    const text = '<r a="&#9;&#10;&#13;">&#13;\n</r>';
    expect(serializeElement(parse(text))).to.equal(text);
  });

  it("says U+FFFD where XML has no way to say it, as for the control characters of a Call-ID", () => {
    expect(escapeAttribute('a\0\x1f\ufffe\t"\x7f')).to.equal("a\ufffd\ufffd\ufffd&#9;&quot;\x7f");
    expect(escapeText("\0&\ud83d\ude00\n")).to.equal("\ufffd&amp;\ud83d\ude00\n");
    expect(() => parse(`<r a="${escapeAttribute("\uffff")}">${escapeText("\x0b")}</r>`)).not.to.throw();
  });

  it("takes CDATA as text and leaves comments and processing instructions out", () => {
    expect(serializeElement(parse("<r>a<!-- b --><![CDATA[<c>]]><?d e?>f</r>"))).to.equal("<r>a&lt;c&gt;f</r>");
  });

  it("takes a name like __proto__ for a name", () => {
    const text = '<__proto__ __proto__="1"><constructor/></__proto__>';
    expect(serializeElement(parse(text))).to.equal(text);
  });

  it("refuses a DOCTYPE, so that nothing is ever expanded or fetched", () => {
    refuses('<!DOCTYPE r [<!ENTITY e "x">]><r>&e;</r>', /DOCTYPE/);
    refuses('<!DOCTYPE r SYSTEM "http://127.0.0.1/x"><r/>', /DOCTYPE/);
  });

  it("refuses entities that XML does not define itself", () => refuses("<r>&e;</r>", /entity/));

  it("refuses what is not well-formed, each with its reason", () => {
    refuses("", /root element|empty/);
    refuses("<r>", /unclosed/);
    refuses("<r></s>", /unexpected close/i);
    refuses("<r a='1' a='2'/>", /duplicate/);
    refuses("<x:r/>", /unbound/);
    refuses("<r/><r/>", /one root|root/);
    refuses("plain", /text|document|root/);
  });

  it("refuses names that are none behind their prefix, which other parsers would refuse the whole document for", () => {
    for (const local of ["1", "-a", ".", "\u00b7", "\u0301a"]) {
      refuses(`<a:r xmlns:a="urn:a"><a:${local}/></a:r>`, /no name/);
      refuses(`<r xmlns:a="urn:a" a:${local}=""/>`, /no name/);
      refuses(`<r xmlns:${local}="urn:a"/>`, /no name/);
    }
    expect(() => parse('<a:r1 xmlns:a="urn:a"><a:\u00e9-/><_.1/></a:r1>')).not.to.throw();
  });

  it("refuses bytes that are not UTF-8, other encodings, and XML 1.1", () => {
    expect(() => parseXml(Uint8Array.of(0x3c, 0x72, 0xff, 0x2f, 0x3e), LIMITS)).to.throw(ProtocolError, /UTF-8/);
    refuses('<?xml version="1.0" encoding="ISO-8859-1"?><r/>', /ISO-8859-1/);
    refuses('<?xml version="1.1"?><r>&#1;</r>', /1\.1/);
  });

  it("refuses more than the allowed depth, elements or attributes, and takes exactly as many", () => {
    expect(() => parse("<a>".repeat(8) + "</a>".repeat(8))).not.to.throw();
    refuses("<a>".repeat(9) + "</a>".repeat(9), /deeper than 8/);
    refuses("<a>".repeat(50_000) + "</a>".repeat(50_000), /deeper than 8/);
    expect(() => parse(`<r>${"<a/>".repeat(49)}</r>`)).not.to.throw();
    refuses(`<r>${"<a/>".repeat(50)}</r>`, /more than 50 elements/);
    expect(() => parse('<r a="" b="" c="" d=""/>')).not.to.throw();
    refuses('<r a="" b="" c="" d="" e=""/>', /more than 4 attributes/);
  });

  it("has nothing of what was read before it, refused in the middle or not", () => {
    const text = '<?xml version="1.0" encoding="UTF-8"?>\n<r xmlns:a="urn:a"><a:b>c</a:b></r>';
    const tree = parse(text);
    for (const broken of [
      "<r>",
      "<r xmlns:x='urn:x' a",
      "<x:r>",
      "<r><![CDATA[z",
      `${text}<`,
      `${"<a>".repeat(9)}`,
      "",
    ]) {
      expect(() => parse(broken)).to.throw(ProtocolError);
      expect(parse(text)).to.deep.equal(tree);
      refuses("<r>&z;</r>", /entity/);
      refuses("<x:r/>", /unbound/);
    }
  });

  it("may have one declaration, and nothing before it", () => {
    const declaration = '<?xml version="1.0" encoding="UTF-8"?>';
    expect(serializeElement(parse(`${declaration}\r\n<!-- c --><r/>`))).to.equal("<r/>");
    expect(serializeElement(parse(`${declaration}<r/>`))).to.equal("<r/>");
    refuses(`${declaration}${declaration}<r/>`, /reserved|declaration/);
    refuses(` ${declaration}<r/>`, /declaration|start of the document/);
    refuses(declaration, /root/);
    refuses(`${declaration}<!DOCTYPE r><r/>`, /DOCTYPE/);
  });

  it("is lossless: what was parsed, serialized and parsed again is the same tree", () => {
    fc.assert(
      fc.property(pidfTextArb, (text) => {
        const wide = { depth: 100, elements: 10_000, attributesPerElement: 100 };
        const tree = parseXml(new TextEncoder().encode(text), wide);
        expect(parseXml(serializeXml(tree), wide)).to.deep.equal(tree);
      }),
    );
  });

  it("throws nothing but a protocol error, whatever the bytes", () => {
    const mutated = fc.tuple(pidfTextArb, fc.nat(), fc.uint8Array({ maxLength: 6 })).map(([text, at, noise]) => {
      const bytes = new TextEncoder().encode(text);
      bytes.set(noise, at % Math.max(1, bytes.length - noise.length));
      return bytes;
    });
    fc.assert(
      fc.property(mutated, (bytes) => {
        try {
          parseXml(bytes, LIMITS);
        } catch (error) {
          expect(error).to.be.instanceOf(ProtocolError);
        }
      }),
    );
  });
});
