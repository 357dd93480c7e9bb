import { createHash } from "node:crypto";
import type { Aor } from "../../../dht-schema/aor.ts";
import { ProtocolError } from "../../runtime/errors.ts";
import { limits } from "../../runtime/limits.ts";
import { asPidf, basicTuple, contactOf, PIDF_NAMESPACE, tuplesOf } from "./pidf-document.ts";
import type { PidfDocument } from "./pidf-document.ts";
import { serializeElement } from "./serialize-xml.ts";
import type { Frame } from "./frame.ts";
import { frameAttributes, frameOf, isOfFrame, lostAttributes, mergedFrame, regained } from "./frame.ts";
import { UniqueIds } from "./unique-ids.ts";
import type { XmlAttribute, XmlElement } from "./xml-tree.ts";
import { attributeOf, childElements, withAttribute } from "./xml-tree.ts";

/** One input of a composition. */
export interface ComposedPublication {
  /** Stays the same as long as the publication lives, whatever it says: gives the order, by age. `[A-Za-z0-9._-]+` */
  readonly key: string;
  readonly document: PidfDocument;
}

/** With what its root says. */
interface Framed extends ComposedPublication {
  readonly frame: Frame;
}

/** All that is known of a user on this server. */
export interface CompositionInput {
  readonly presentity: Aor;
  readonly publications: readonly ComposedPublication[];
  /** URIs of registered contacts whose device has not published, as far as the caller can tell. */
  readonly contacts: readonly string[];
}

/**
 * One document of all that is known of a user.
 * - Every element of every publication is kept, with its namespaces; an element that two publications have exactly alike stands once.
 * - Ids are unique: where two publications use the same, the one that comes later by key gets another. So an id that watchers know is not taken from whom it names.
 * - A registered contact that no publication speaks of gives an `open` tuple; its contact is the user's AoR, because
 *   the address of a device is nobody's business and messages are to go through the user's server.
 * - Without any publication and contact: one `closed` tuple.
 *
 * The order in which publications and contacts are listed makes no difference, and composing a composed document changes nothing.
 * @throws {ProtocolError} `TOO_LARGE`: elements would have to declare more again than a whole document may hold
 * @see RFC 3863 §4.1, §4.1.2, RFC 3903 §6, RFC 4479 §3.6
 */
export function compose(input: CompositionInput): PidfDocument {
  const publications = input.publications.toSorted((a, b) => order(a.key, b.key));
  const documents = publications.map(({ key, document }) => ({ key, document, frame: frameOf(document) }));
  const frame = mergedFrame(documents.map((each) => each.frame));
  const ids = new UniqueIds();
  const merged = mergeChildren(documents, frame, ids);
  const silent = silentContacts(input);
  const tuples = silent.map((uri) => basicTuple(`c${digest(uri)}`, "open", input.presentity));
  if (publications.length + silent.length === 0) tuples.push(basicTuple("closed", "closed"));
  return asPidf({
    name: "presence",
    local: "presence",
    namespace: PIDF_NAMESPACE,
    attributes: rootAttributes(input.presentity, documents, frame),
    children: inSchemaOrder([...merged, ...tuples.map((tuple) => withUniqueId(tuple, ids, "c"))]),
  });
}

/** Contacts that no publication speaks of, each once, in an order of their own. */
function silentContacts({ contacts, publications }: CompositionInput): readonly string[] {
  if (contacts.length === 0) return contacts;
  const spokenFor = new Set(
    publications.flatMap(({ document }) => tuplesOf(document).map((tuple) => addressOf(contactOf(tuple) ?? ""))),
  );
  return [...new Set(contacts)].filter((uri) => !spokenFor.has(addressOf(uri))).toSorted(order);
}

/** RFC 3863 §4.4: tuples, then notes, then everything of other namespaces. */
function inSchemaOrder(elements: readonly XmlElement[]): XmlElement[] {
  const rank = ({ namespace, local }: XmlElement): number =>
    namespace !== PIDF_NAMESPACE ? 2 : local === "tuple" ? 0 : 1;
  return elements.toSorted((a, b) => rank(a) - rank(b));
}

function mergeChildren(documents: readonly Framed[], frame: Frame, ids: UniqueIds): XmlElement[] {
  const merged: XmlElement[] = [];
  const isAlone = documents.length === 1;
  const seen = new Set<string>();
  const allCarried = carryAll(documents, frame);
  for (const [index, { key }] of documents.entries()) {
    const carried = allCarried[index] as XmlElement[];
    const texts = isAlone ? [] : carried.map(serializeElement);
    carried.forEach((child, at) => {
      if (isAlone || !seen.has(texts[at] as string)) merged.push(withUniqueId(child, ids, key));
    });
    // Added only now: what one publication says twice, it has said twice.
    for (const text of texts) seen.add(text);
  }
  return merged;
}

/** The children of each document as they stand under the new root. A few octets of a document can be hundreds of times as many then: what does not fit is not made. */
function carryAll(documents: readonly Framed[], frame: Frame): XmlElement[][] {
  const moves = documents.map(({ document, frame: own }) => ({
    children: childElements(document),
    lost: lostAttributes(own, frame),
  }));
  const added = moves.reduce((sum, { children, lost }) => sum + children.length * lengthOf(lost), 0);
  if (added > limits.presence.composedBytes)
    throw new ProtocolError("TOO_LARGE", `${added} bytes of declarations would stand in elements instead of the root`);
  return moves.map(({ children, lost }) => children.map((child) => regained(child, lost)));
}

function lengthOf(attributes: readonly XmlAttribute[]): number {
  return attributes.reduce((sum, { name, value }) => sum + name.length + value.length, 0);
}

function withUniqueId(element: XmlElement, ids: UniqueIds, suffix: string): XmlElement {
  const id = attributeOf(element, "id");
  if (id === undefined) return element;
  const unique = ids.take(id, suffix);
  return unique === id ? element : withAttribute(element, "id", unique);
}

function rootAttributes(presentity: Aor, documents: readonly Framed[], frame: Frame): XmlAttribute[] {
  const attributes: XmlAttribute[] = [...frameAttributes(frame), { name: "entity", value: presentity }];
  const names = new Set(["entity"]);
  for (const { document, frame: own } of documents) {
    for (const attribute of document.attributes) {
      const name = expandedName(attribute.name, own);
      // Of a prefix that is another's at the new root, it would say something else.
      if (isOfFrame(attribute) || names.has(name) || expandedName(attribute.name, frame) !== name) continue;
      names.add(name);
      attributes.push(attribute);
    }
  }
  return attributes;
}

/** What an attribute is called whatever its prefix is: an element has it once. @see Namespaces in XML 1.0 §6.3 */
function expandedName(name: string, { scope }: Frame): string {
  const [prefix, local] = name.split(":", 2) as [string, string?];
  // Of those without a prefix none is in the default namespace, and that of `xml` need not be declared.
  const namespace = local === undefined || prefix === "xml" ? undefined : scope.get(prefix)?.trim();
  return namespace === undefined ? name : `{${namespace}}${local}`;
}

/** What two spellings of one contact have in common: no parameters, host in lower case. */
function addressOf(uri: string): string {
  const bare = uri.split(/[;?]/, 1)[0] as string;
  const at = bare.lastIndexOf("@");
  return bare.slice(0, at + 1) + bare.slice(at + 1).toLowerCase();
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
