import { ProtocolError } from "../../runtime/errors.ts";
import { limits } from "../../runtime/limits.ts";
import { parseXml } from "./parse-xml.ts";
import type { XmlLimits } from "./parse-xml.ts";
import { serializeXml } from "./serialize-xml.ts";
import type { XmlElement } from "./xml-tree.ts";
import { attributeOf, childrenNamed, textOf } from "./xml-tree.ts";

/** @see RFC 3863 §4.1 */
export const PIDF_NAMESPACE = "urn:ietf:params:xml:ns:pidf";
/** @see RFC 3863 §4 */
export const PIDF_CONTENT_TYPE = "application/pidf+xml";

/** A presence document whose root is known to be PIDF's, with an entity, and whose tuples have ids. */
export type PidfDocument = XmlElement & { readonly __brand: "PidfDocument" };

/** What a tuple says of a service: RFC 3863 has `open` and `closed`, and leaves the value optional. */
export type Basic = "open" | "closed" | "unknown";

/**
 * Reads a document that a client published. Extensions (data model, RPID, anything else) stay in it as they are.
 * @throws {ProtocolError} `TOO_LARGE`, `BAD_XML`, `BAD_PIDF`
 */
export function parsePidf(bytes: Uint8Array): PidfDocument {
  return parseWithin(bytes, limits.presence.documentBytes, limits.presence.xml);
}

/** As {@link parsePidf}, for one that was accepted and has been written by {@link serializePidf} since. */
export function parseStoredPidf(bytes: Uint8Array): PidfDocument {
  return parseWithin(bytes, limits.presence.storedBytes, limits.presence.xml);
}

/** As {@link parsePidf}, for a document that a server composed of several. */
export function parseComposedPidf(bytes: Uint8Array): PidfDocument {
  return parseWithin(bytes, limits.presence.relayed.bytes, limits.presence.relayed.xml);
}

function parseWithin(bytes: Uint8Array, maxBytes: number, xml: XmlLimits): PidfDocument {
  if (bytes.length > maxBytes) throw new ProtocolError("TOO_LARGE", `presence document over ${maxBytes} bytes`);
  return asPidf(parseXml(bytes, xml));
}

/** Inverse of {@link parsePidf}, but for comments and the like. */
export function serializePidf(document: PidfDocument): Uint8Array {
  return serializeXml(document);
}

/** Checks what makes a tree a presence document. @throws {ProtocolError} `BAD_PIDF` */
export function asPidf(root: XmlElement): PidfDocument {
  if (root.local !== "presence" || root.namespace !== PIDF_NAMESPACE)
    throw new ProtocolError("BAD_PIDF", `the root is not <presence> of ${PIDF_NAMESPACE}`);
  if ((attributeOf(root, "entity") ?? "") === "") throw new ProtocolError("BAD_PIDF", "<presence> has no entity");
  for (const tuple of tuplesOf(root as PidfDocument)) {
    if ((attributeOf(tuple, "id") ?? "") === "") throw new ProtocolError("BAD_PIDF", "a <tuple> has no id");
  }
  return root as PidfDocument;
}

/** The tuples, in order. */
export function tuplesOf(document: PidfDocument): XmlElement[] {
  return childrenNamed(document, PIDF_NAMESPACE, "tuple");
}

/** Basic status of a tuple. */
export function basicOf(tuple: XmlElement): Basic {
  const status = childrenNamed(tuple, PIDF_NAMESPACE, "status")[0];
  const basic = status && childrenNamed(status, PIDF_NAMESPACE, "basic")[0];
  const text = basic && textOf(basic);
  return text === "open" || text === "closed" ? text : "unknown";
}

/** Contact URI of a tuple. */
export function contactOf(tuple: XmlElement): string | undefined {
  const contact = childrenNamed(tuple, PIDF_NAMESPACE, "contact")[0];
  return contact && textOf(contact);
}

/** `open` when any tuple is: what a buddy list shows in one light. */
export function overallBasic(document: PidfDocument): Basic {
  const all = tuplesOf(document).map(basicOf);
  return all.find((basic) => basic === "open") ?? all.find((basic) => basic === "closed") ?? "unknown";
}

/** A tuple with nothing but a basic status and, when given, a contact. */
export function basicTuple(id: string, basic: "open" | "closed", contact?: string): XmlElement {
  const children = [pidfElement("status", [pidfElement("basic", [basic])])];
  if (contact !== undefined) children.push(pidfElement("contact", [contact]));
  return { ...pidfElement("tuple", children), attributes: [{ name: "id", value: id }] };
}

function pidfElement(local: string, children: XmlElement["children"]): XmlElement {
  return { name: local, local, namespace: PIDF_NAMESPACE, attributes: [], children };
}
