import { expect } from "chai";
import fc from "fast-check";
import { parsePidf, renderPidf } from "../../../node/softphone/pidf.ts";

const document = (inner: string): string =>
  `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="e">${inner}</presence>`;

describe("Presence documents of the softphone", () => {
  it("reads back what it wrote, whatever the note", () => {
    const note = fc.string({ unit: "grapheme", minLength: 1 }).map((text) => text.replace(/[^\P{C}]/gu, "").trim());
    fc.assert(
      fc.property(fc.constantFrom("open" as const, "closed" as const), note, (basic, text) => {
        expect(parsePidf(renderPidf("sip:a@example.com", "t", { basic, note: text }))).to.deep.equal({
          basic,
          note: text,
        });
      }),
    );
  });

  it("calls a person open if any tuple is, and shows that tuple's note", () => {
    const shown = parsePidf(
      document(
        `<tuple id="a"><status><basic>closed</basic></status><note>away</note></tuple>` +
          `<tuple id="b"><status><basic> open </basic></status><note>here</note></tuple><note>any</note>`,
      ),
    );
    expect(shown).to.deep.equal({ basic: "open", note: "here" });
  });

  it("calls a document without tuples closed, and shows the document's note", () => {
    expect(parsePidf(document("<note>gone</note>"))).to.deep.equal({ basic: "closed", note: "gone" });
  });

  it("is not misled by elements of other namespaces", () => {
    const shown = parsePidf(
      document(`<tuple id="a"><status><x:basic xmlns:x="urn:x">open</x:basic><basic>closed</basic></status></tuple>`),
    );
    expect(shown).to.deep.equal({ basic: "closed" });
  });

  it("throws on what is not XML", () => {
    expect(() => parsePidf("<presence>")).to.throw();
  });
});
