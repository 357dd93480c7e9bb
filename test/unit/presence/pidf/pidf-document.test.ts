import { expect } from "chai";
import { overallBasic, parsePidf, PIDF_NAMESPACE } from "../../../../node/presence/pidf/pidf-document.ts";
import { ProtocolError } from "../../../../node/runtime/errors.ts";
import { limits } from "../../../../node/runtime/limits.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const root = (body: string) =>
  bytes(`<presence xmlns="${PIDF_NAMESPACE}" entity="sip:a@example.com">${body}</presence>`);
const refuses = (document: Uint8Array, code: string, message: RegExp) =>
  expect(() => parsePidf(document))
    .to.throw(ProtocolError, message)
    .with.property("code", code);

describe("a presence document", () => {
  it("is refused when its root is not PIDF's", () => {
    refuses(bytes('<presence entity="sip:a@example.com"/>'), "BAD_PIDF", /root/);
    refuses(bytes(`<tuple xmlns="${PIDF_NAMESPACE}"/>`), "BAD_PIDF", /root/);
  });

  it("is refused without an entity, or with a tuple without an id", () => {
    refuses(bytes(`<presence xmlns="${PIDF_NAMESPACE}"/>`), "BAD_PIDF", /entity/);
    refuses(root("<tuple><status/></tuple>"), "BAD_PIDF", /id/);
  });

  it("is refused as too large beyond the limit, before it is looked at", () => {
    refuses(root("x".repeat(limits.presence.documentBytes)), "TOO_LARGE", /over/);
  });

  it("is open when any of its tuples is", () => {
    const tuple = (id: string, basic: string) => `<tuple id="${id}"><status><basic> ${basic} </basic></status></tuple>`;
    expect(overallBasic(parsePidf(root(tuple("a", "closed") + tuple("b", "open"))))).to.equal("open");
    expect(overallBasic(parsePidf(root(tuple("a", "closed"))))).to.equal("closed");
    expect(overallBasic(parsePidf(root('<tuple id="a"><status/></tuple>')))).to.equal("unknown");
  });
});
