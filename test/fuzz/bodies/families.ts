import { parseAor } from "../../../dht-schema/aor.ts";
import { compose } from "../../../node/presence/pidf/compose.ts";
import { parseXml } from "../../../node/presence/pidf/parse-xml.ts";
import { asPidf, parsePidf, serializePidf } from "../../../node/presence/pidf/pidf-document.ts";
import { ProtocolError } from "../../../node/runtime/errors.ts";
import { limits } from "../../../node/runtime/limits.ts";
import type { Family } from "../growth.ts";

function document(inside: string, attributes = ""): string {
  return `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:a@b"${attributes}>${inside}</presence>`;
}

/** What tempts a parser of XML, or a composition, to look again at what it has seen. */
export const FAMILIES: readonly Family[] = [
  ["elements", "<a/>", document("%")],
  ["elements of one id", '<a id="t"/>', document("%")],
  ["tuples of one id, and of the ids they would get", '<tuple id="t"/><tuple id="t.k"/>', document("%")],
  ["elements that have to declare their namespace again", "<b:a/>", document("%", ' xmlns:b="urn:b"')],
  ["nested elements", "<a>", document("%")],
  ["a name", "a", document("<%/>")],
  ["a prefix", "a", document("<a:%/>", ' xmlns:a="urn:a"')],
  ["an attribute's value", "a", document("", ' a="%"')],
  ["references in an attribute", "&amp;", document("", ' a="%"')],
  ["an attribute's name", "a", document("", ' %=""')],
  ["text", "a", document("<note>%</note>")],
  ["references in text", "&amp;", document("<note>%</note>")],
  ["references to characters", "&#13;", document("<note>%</note>")],
  ["a reference without an end", "a", document("<note>&%</note>")],
  ["a number of a character", "0", document("<note>&#%1;</note>")],
  ["sections of CDATA", "<![CDATA[<]]>", document("<note>%</note>")],
  ["brackets in CDATA", "]", document("<note><![CDATA[%]]></note>")],
  ["brackets in text", "]", document("<note>%</note>")],
  ["comments", "<!---->", document("<note>%</note>")],
  ["dashes in a comment", "- ", document("<!--%-->")],
  ["processing instructions", "<?a?>", document("<note>%</note>")],
  ["question marks in an instruction", "?", document("<?a %?>")],
  ["returns", "\r", document("<note>%</note>")],
  ["white space in a tag", " ", document("<note%/>")],
  ["white space after the root", "\n", `${document("")}%`],
  ["a document type", "<!ENTITY a 'b'>", `<!DOCTYPE a [%]>${document("")}`],
  ["astral characters", "😀", document("<note>%</note>")],
];

const alice = parseAor("sip:alice@example.com");
const other = parsePidf(Buffer.from(document('<tuple id="t"/>', ' xmlns:b="urn:c"')));

/** Reads a presence document as long as one of another server's may be, and composes it with that of another device. */
export function read(octets: Buffer): void {
  try {
    const own = asPidf(parseXml(octets, limits.presence.relayed.xml));
    const publications = [
      { key: "k", document: own },
      { key: "a", document: other },
    ];
    serializePidf(compose({ presentity: alice, publications, contacts: [] }));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
}
