import fc from "fast-check";
import { PIDF_NAMESPACE } from "../../../../node/presence/pidf/pidf-document.ts";

/** Prefixes are few and bound to different namespaces in different documents, so that they collide. */
const NAMESPACES = [
  "urn:ietf:params:xml:ns:pidf:data-model",
  "urn:ietf:params:xml:ns:pidf:rpid",
  "urn:example:a",
  "urn:example:b",
];
const PREFIXES = ["dm", "r", "x"];

const textArb = fc.stringMatching(/^[ a-zA-Z0-9é😀\n\t]{0,12}$/u).map((text) => text.replace(/[&<>]/g, ""));
const escapedArb = fc.constantFrom("&amp;", "&lt;", "&#13;", "&quot;", "]]&gt;", "");
const namespaceArb = fc.constantFrom(...NAMESPACES);
const idArb = fc.constantFrom("t1", "t2", "me", "dev");

const unknownElementArb = fc.letrec((tie) => ({
  element: fc
    .record({
      prefix: fc.constantFrom(...PREFIXES),
      local: fc.constantFrom("person", "device", "activities", "mood"),
      attribute: fc.option(textArb, { nil: undefined }),
      own: fc.option(namespaceArb, { nil: undefined }),
      children: fc.array(
        fc.oneof(
          { depthSize: "small", withCrossShrink: true },
          fc.tuple(textArb, escapedArb).map((parts) => parts.join("")),
          tie("element") as fc.Arbitrary<string>,
        ),
        { maxLength: 3 },
      ),
    })
    .map(({ prefix, local, attribute, own, children }) => {
      const name = `${prefix}:${local}`;
      const attributes = `${own === undefined ? "" : ` xmlns:${prefix}="${own}"`}${attribute === undefined ? "" : ` at="${attribute}" ${prefix}:q="1"`}`;
      return `<${name}${attributes}>${children.join("")}</${name}>`;
    }),
})).element as fc.Arbitrary<string>;

/** Text of a whole document: tuples with ids that other documents use too, notes, and elements nobody knows. */
export const pidfTextArb: fc.Arbitrary<string> = fc
  .record({
    prefix: fc.constantFrom("", "p"),
    bindings: fc.tuple(namespaceArb, namespaceArb, namespaceArb),
    rootAttribute: fc.option(textArb, { nil: undefined }),
    tuples: fc.array(fc.record({ id: idArb, basic: fc.constantFrom("open", "closed"), extra: unknownElementArb }), {
      maxLength: 3,
    }),
    notes: fc.array(textArb, { maxLength: 2 }),
    others: fc.array(unknownElementArb, { maxLength: 3 }),
  })
  .map(({ prefix, bindings, rootAttribute, tuples, notes, others }) => {
    const q = prefix === "" ? "" : `${prefix}:`;
    const declarations = bindings.map((uri, index) => ` xmlns:${PREFIXES[index]}="${uri}"`).join("");
    const pidf = prefix === "" ? ` xmlns="${PIDF_NAMESPACE}"` : ` xmlns:${prefix}="${PIDF_NAMESPACE}"`;
    return (
      `<${q}presence${pidf}${declarations} entity="pres:someone@example.com"${rootAttribute === undefined ? "" : ` x:version="${rootAttribute}"`}>` +
      tuples
        .map(
          ({ id, basic, extra }) =>
            `<${q}tuple id="${id}"><${q}status><${q}basic>${basic}</${q}basic>${extra}</${q}status></${q}tuple>`,
        )
        .join("\n") +
      notes.map((note) => `<${q}note>${note}</${q}note>`).join("") +
      others.join(" ") +
      `</${q}presence>`
    );
  });
