import { createHash } from "node:crypto";
import type { Aor } from "../../../dht-schema/aor.ts";
import { asPidf, basicTuple, contactOf, PIDF_NAMESPACE, tuplesOf } from "./pidf-document.ts";
import type { PidfDocument } from "./pidf-document.ts";
import { serializeElement } from "./serialize-xml.ts";
import { UniqueIds } from "./unique-ids.ts";
import type { XmlAttribute, XmlElement } from "./xml-tree.ts";
import { attributeOf, childElements, declaredPrefix, withAttribute } from "./xml-tree.ts";

/** One input of a composition. */
export interface ComposedPublication {
  /** Stays the same as long as the publication lives, whatever it says: gives the order. `[A-Za-z0-9._-]+` */
  readonly key: string;
  readonly document: PidfDocument;
}

/** All that is known of a user on this server. */
export interface CompositionInput {
  readonly presentity: Aor;
  readonly publications: readonly ComposedPublication[];
  /** URIs of registered contacts whose device has not published, as far as the caller can tell. */
  readonly contacts: readonly string[];
}

/** Prefix → namespace URI; the empty prefix is the default namespace. */
type Scope = ReadonlyMap<string, string>;

/**
 * One document of all that is known of a user.
 * - Every element of every publication is kept, with its namespaces; an element that two publications have exactly alike stands once.
 * - Ids are unique: where two publications use the same, the one that comes later by key gets another.
 * - A registered contact that no publication speaks of gives an `open` tuple; its contact is the user's AoR, because
 *   the address of a device is nobody's business and messages are to go through the user's server.
 * - Without any publication and contact: one `closed` tuple.
 *
 * The order in which publications and contacts are listed makes no difference, and composing a composed document changes nothing.
 * @see RFC 3863 §4.1, RFC 3903 §6, RFC 4479 §3.6
 */
export function compose(input: CompositionInput): PidfDocument {
  const publications = input.publications.toSorted((a, b) => order(a.key, b.key));
  const scope = mergedScope(publications);
  const ids = new UniqueIds();
  const merged = mergeChildren(publications, scope, ids);
  const spokenFor = new Set(
    publications.flatMap(({ document }) => tuplesOf(document).map((tuple) => addressOf(contactOf(tuple) ?? ""))),
  );
  const silent = [...new Set(input.contacts)].filter((uri) => !spokenFor.has(addressOf(uri))).toSorted(order);
  const tuples = silent.map((uri) => basicTuple(`c${digest(uri)}`, "open", input.presentity));
  if (publications.length + silent.length === 0) tuples.push(basicTuple("closed", "closed"));
  return asPidf({
    name: "presence",
    local: "presence",
    namespace: PIDF_NAMESPACE,
    attributes: rootAttributes(input.presentity, publications, scope),
    children: inSchemaOrder([...merged, ...tuples.map((tuple) => withUniqueId(tuple, ids, "c"))]),
  });
}

/** RFC 3863 §4.4: tuples, then notes, then everything of other namespaces. */
function inSchemaOrder(elements: readonly XmlElement[]): XmlElement[] {
  const rank = ({ namespace, local }: XmlElement): number =>
    namespace !== PIDF_NAMESPACE ? 2 : local === "tuple" ? 0 : 1;
  return elements.toSorted((a, b) => rank(a) - rank(b));
}

function mergeChildren(publications: readonly ComposedPublication[], scope: Scope, ids: UniqueIds): XmlElement[] {
  const merged: XmlElement[] = [];
  const isAlone = publications.length === 1;
  const seen = new Set<string>();
  for (const { key, document } of publications) {
    const own = scopeOf(document);
    const carried = childElements(document).map((child) => carry(child, own, scope));
    const texts = isAlone ? [] : carried.map(serializeElement);
    carried.forEach((child, index) => {
      if (isAlone || !seen.has(texts[index] as string)) merged.push(withUniqueId(child, ids, key));
    });
    // Added only now: what one publication says twice, it has said twice.
    for (const text of texts) seen.add(text);
  }
  return merged;
}

function withUniqueId(element: XmlElement, ids: UniqueIds, suffix: string): XmlElement {
  const id = attributeOf(element, "id");
  if (id === undefined) return element;
  const unique = ids.take(id, suffix);
  return unique === id ? element : withAttribute(element, "id", unique);
}

/** The child with the declarations it loses by moving from under its own root to the composed one. */
function carry(child: XmlElement, own: Scope, target: Scope): XmlElement {
  const declared = new Set(child.attributes.map(declaredPrefix));
  const lost: XmlAttribute[] = [];
  for (const [prefix, uri] of own) {
    if (target.get(prefix) !== uri && !declared.has(prefix))
      lost.push({ name: prefix === "" ? "xmlns" : `xmlns:${prefix}`, value: uri });
  }
  return lost.length === 0 ? child : { ...child, attributes: [...child.attributes, ...lost] };
}

function scopeOf(document: PidfDocument): Scope {
  // No default declared means: names without prefix are in no namespace. That must survive the move, too.
  const scope = new Map([["", ""]]);
  for (const attribute of document.attributes) {
    const prefix = declaredPrefix(attribute);
    if (prefix !== undefined) scope.set(prefix, attribute.value);
  }
  return scope;
}

function mergedScope(publications: readonly ComposedPublication[]): Scope {
  const merged = new Map([["", PIDF_NAMESPACE]]);
  for (const { document } of publications) {
    for (const [prefix, uri] of scopeOf(document)) {
      if (!merged.has(prefix)) merged.set(prefix, uri);
    }
  }
  return merged;
}

function rootAttributes(presentity: Aor, publications: readonly ComposedPublication[], scope: Scope): XmlAttribute[] {
  const attributes = new Map<string, string>();
  for (const [prefix, uri] of scope) attributes.set(prefix === "" ? "xmlns" : `xmlns:${prefix}`, uri);
  attributes.set("entity", presentity);
  for (const { document } of publications) {
    const own = scopeOf(document);
    for (const attribute of document.attributes) {
      const colon = attribute.name.indexOf(":");
      const prefix = colon < 0 ? "" : attribute.name.slice(0, colon);
      const meansTheSame = prefix === "" || prefix === "xml" || own.get(prefix) === scope.get(prefix);
      if (declaredPrefix(attribute) === undefined && meansTheSame && !attributes.has(attribute.name))
        attributes.set(attribute.name, attribute.value);
    }
  }
  return [...attributes].map(([name, value]) => ({ name, value }));
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
