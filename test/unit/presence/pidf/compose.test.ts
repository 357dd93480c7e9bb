import { expect } from "chai";
import fc from "fast-check";
import { parseAor } from "../../../../dht-schema/aor.ts";
import { compose } from "../../../../node/presence/pidf/compose.ts";
import type { ComposedPublication } from "../../../../node/presence/pidf/compose.ts";
import {
  basicOf,
  contactOf,
  overallBasic,
  parsePidf,
  PIDF_NAMESPACE,
  serializePidf,
  tuplesOf,
} from "../../../../node/presence/pidf/pidf-document.ts";
import type { XmlElement } from "../../../../node/presence/pidf/xml-tree.ts";
import { attributeOf, childElements } from "../../../../node/presence/pidf/xml-tree.ts";
import { meanings } from "../../../helpers/pidf-meaning.ts";
import { pidfTextArb } from "./arbitrary-pidf.ts";

const alice = parseAor("sip:alice@example.com");
const pidf = (text: string) => parsePidf(new TextEncoder().encode(text));
const document = (body: string, declarations = "") =>
  pidf(`<presence xmlns="${PIDF_NAMESPACE}" ${declarations} entity="pres:alice@example.com">${body}</presence>`);
const tuple = (id: string, basic = "open", contact = "") =>
  `<tuple id="${id}"><status><basic>${basic}</basic></status>${contact && `<contact>${contact}</contact>`}</tuple>`;
const composed = (publications: readonly ComposedPublication[], contacts: readonly string[] = []) =>
  compose({ presentity: alice, publications, contacts });
const text = (element: ReturnType<typeof composed>) => new TextDecoder().decode(serializePidf(element));
const ids = (element: ReturnType<typeof composed>) => tuplesOf(element).map((one) => attributeOf(one, "id"));

const publicationsArb = fc
  .array(pidfTextArb, { maxLength: 4 })
  .map((texts) => texts.map((one, index) => ({ key: `k${index}`, document: pidf(one) })));
const contactsArb = fc.subarray(["sip:alice@127.0.0.1:5060", "sip:alice@127.0.0.2;transport=tcp", "sip:a@h"]);

describe("composition of a user's presence", () => {
  it("is one closed tuple when there is neither publication nor contact", () => {
    const result = composed([]);
    expect(text(result)).to.equal(
      `<?xml version="1.0" encoding="UTF-8"?>\n<presence xmlns="${PIDF_NAMESPACE}" entity="sip:alice@example.com"><tuple id="closed"><status><basic>closed</basic></status></tuple></presence>`,
    );
    expect(overallBasic(result)).to.equal("closed");
  });

  it("gives an open tuple for a registered contact, under the user's own address", () => {
    const [only, ...others] = tuplesOf(composed([], ["sip:alice@127.0.0.1:5060"]));
    expect(others).to.deep.equal([]);
    expect([basicOf(only as XmlElement), contactOf(only as XmlElement)]).to.deep.equal(["open", alice]);
  });

  it("adds no tuple for a contact that a publication speaks of, however it is spelled", () => {
    const publication = { key: "a", document: document(tuple("t", "closed", "sip:alice@HOST:5060")) };
    expect(ids(composed([publication], ["sip:alice@host:5060;transport=tcp"]))).to.deep.equal(["t"]);
  });

  it("keeps the tuples of two devices that use the same id apart", () => {
    const result = composed([
      { key: "b", document: document(tuple("t", "open")) },
      { key: "a", document: document(tuple("t", "closed")) },
    ]);
    expect(tuplesOf(result).map((one) => [attributeOf(one, "id"), basicOf(one)])).to.deep.equal([
      ["t", "closed"],
      ["t.b", "open"],
    ]);
  });

  it("shows once what two publications say in the same words, as a client does that lost its entity-tag in a crash", () => {
    const twice = ["a", "b"].map((key) => ({ key, document: document(tuple("t")) }));
    expect(ids(composed(twice))).to.deep.equal(["t"]);
  });

  it("puts tuples before notes, and notes before persons and devices", () => {
    const result = composed([
      {
        key: "a",
        document: document(
          `<dm:person id="p"/><note>hi</note>${tuple("t")}`,
          'xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"',
        ),
      },
      { key: "b", document: document(tuple("u")) },
    ]);
    expect(childElements(result).map(({ name }) => name)).to.deep.equal(["tuple", "tuple", "note", "dm:person"]);
  });

  it("declares a prefix anew where two publications bind it to different namespaces", () => {
    const result = composed([
      { key: "a", document: document("<x:p/>", 'xmlns:x="urn:a"') },
      { key: "b", document: document("<x:p/>", 'xmlns:x="urn:b"') },
    ]);
    expect(text(result)).to.contain('xmlns:x="urn:a" entity').and.to.contain('<x:p/><x:p xmlns:x="urn:b"/>');
  });

  it("leaves each publication its language, at the root where all have the same", () => {
    const note = (key: string, lang: string) => ({ key, document: document("<note>!</note>", `xml:lang="${lang}"`) });
    const bare = { key: "c", document: document('<note xml:lang="fr">?</note><note>.</note>') };
    expect(text(composed([note("a", "de"), note("b", "de")])))
      .to.contain('xml:lang="de" entity')
      .and.to.contain("><note>!");
    expect(text(composed([note("a", "de"), note("b", "en"), bare]))).to.contain(
      'example.com"><note xml:lang="de">!</note><note xml:lang="en">!</note><note xml:lang="fr">?</note><note>.</note>',
    );
  });

  it("has an attribute of the root once, whatever prefixes the publications call its namespace by", () => {
    const result = composed([
      { key: "a", document: document("", 'xmlns:x="urn:v" x:version="1"') },
      { key: "b", document: document("", 'xmlns:y="urn:v" y:version="2"') },
      { key: "c", document: document("", 'xmlns:x="urn:w" x:version="3"') },
    ]);
    expect(text(result))
      .to.contain('x:version="1"')
      .and.not.to.match(/version="[23]"/);
    expect(parsePidf(serializePidf(result))).to.deep.equal(result);
  });

  it("leaves elements of no namespace in none", () => {
    const bare = pidf(`<p:presence xmlns:p="${PIDF_NAMESPACE}" entity="e"><odd/></p:presence>`);
    expect(text(composed([{ key: "a", document: bare }]))).to.contain('<odd xmlns=""/>');
  });

  it("loses nothing: each element of each publication is there, meaning what it meant", () => {
    fc.assert(
      fc.property(publicationsArb, contactsArb, (publications, contacts) => {
        const result = meanings(composed(publications, contacts));
        for (const publication of publications) {
          for (const element of meanings(publication.document)) expect(result).to.include(element);
        }
      }),
    );
  });

  it("invents nothing: what no publication said is a tuple of a contact, or the closed one", () => {
    fc.assert(
      fc.property(publicationsArb, contactsArb, (publications, contacts) => {
        const said = new Set(publications.flatMap(({ document: one }) => meanings(one)));
        const added = meanings(composed(publications, contacts)).filter((element) => !said.has(element));
        expect(added.length).to.equal(publications.length + contacts.length === 0 ? 1 : contacts.length);
      }),
    );
  });

  it("has unique ids", () => {
    fc.assert(
      fc.property(publicationsArb, contactsArb, (publications, contacts) => {
        const all = childElements(composed(publications, contacts)).flatMap(
          (element) => attributeOf(element, "id") ?? [],
        );
        expect(new Set(all).size).to.equal(all.length);
      }),
    );
  });

  it("does not depend on the order in which publications and contacts came", () => {
    const shuffled = publicationsArb.chain((publications) =>
      fc.tuple(fc.constant(publications), fc.shuffledSubarray(publications, { minLength: publications.length })),
    );
    fc.assert(
      fc.property(shuffled, contactsArb, ([publications, other], contacts) => {
        expect(text(composed(other, contacts.toReversed()))).to.equal(text(composed(publications, contacts)));
      }),
    );
  });

  it("is idempotent: a composed document composes to itself, byte for byte", () => {
    fc.assert(
      fc.property(publicationsArb, contactsArb, (publications, contacts) => {
        const once = composed(publications, contacts);
        expect(text(composed([{ key: "z", document: once }]))).to.equal(text(once));
        expect(text(composed([{ key: "z", document: parsePidf(serializePidf(once)) }]))).to.equal(text(once));
      }),
    );
  });
});
