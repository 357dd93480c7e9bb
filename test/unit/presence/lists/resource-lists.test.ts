import { expect } from "chai";
import { parseResourceLists } from "../../../../node/presence/lists/resource-lists.ts";
import { limits } from "../../../../node/runtime/limits.ts";

const document = (inside: string) =>
  Buffer.from(
    `<?xml version="1.0"?><resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">${inside}</resource-lists>`,
  );
const entry = (uri: string) => `<entry uri="${uri}"><display-name>x</display-name></entry>`;

describe("a list that a request brings (RFC 4826, RFC 5367)", () => {
  it("names its users in order, each once, those of lists within it too", () => {
    const text = `<list>${entry("sip:bob@example.com")}<list name="in">${entry("sip:ann@example.com")}${entry("sip:bob@EXAMPLE.com")}</list></list>`;
    expect(parseResourceLists(document(text))).to.deep.equal(["sip:bob@example.com", "sip:ann@example.com"]);
  });

  const refusals: [what: string, bytes: Uint8Array, code: string][] = [
    ["names nobody", document("<list/>"), "BAD_LIST"],
    ["is no list", Buffer.from("<presence/>"), "BAD_LIST"],
    ["names what is no user", document(`<list>${entry("tel:+1234")}</list>`), "BAD_LIST"],
    [
      "has too many users",
      document(
        `<list>${Array.from({ length: limits.presence.lists.members + 1 }, (_, i) => entry(`sip:u${i}@example.com`)).join("")}</list>`,
      ),
      "TOO_LARGE",
    ],
    ["is too large", document(`<list><!--${"x".repeat(limits.presence.lists.documentBytes)}--></list>`), "TOO_LARGE"],
    ["is nested 5,000 deep", document("<list>".repeat(5000)), "BAD_XML"],
    ["has a DOCTYPE", Buffer.from(`<!DOCTYPE x [<!ENTITY a "b">]><resource-lists/>`), "BAD_XML"],
  ];
  for (const [what, bytes, code] of refusals)
    it(`that ${what} is refused`, () => {
      expect(() => parseResourceLists(bytes))
        .to.throw()
        .with.property("code", code);
    });
});
