import type { PidfDocument } from "./pidf-document.ts";
import { PIDF_NAMESPACE } from "./pidf-document.ts";
import type { XmlAttribute, XmlElement } from "./xml-tree.ts";
import { declaredPrefix } from "./xml-tree.ts";

/** What a root says for all that is in it, and an element loses by moving from under it. */
export interface Frame {
  /** Prefix → namespace URI; the empty prefix is the default namespace. */
  readonly scope: ReadonlyMap<string, string>;
  /** Attributes that hold for elements without one of their own. */
  readonly inherited: ReadonlyMap<string, string>;
}

/** @see XML 1.0 §2.10, §2.12, XML Base §3 */
const INHERITED: readonly string[] = ["xml:lang", "xml:space", "xml:base"];

/** What the root of a document says. */
export function frameOf(document: PidfDocument): Frame {
  // No default declared means: names without prefix are in no namespace. That must survive the move, too.
  const scope = new Map([["", ""]]);
  const inherited = new Map<string, string>();
  for (const attribute of document.attributes) {
    const prefix = declaredPrefix(attribute);
    if (prefix !== undefined) scope.set(prefix, attribute.value);
    else if (INHERITED.includes(attribute.name)) inherited.set(attribute.name, attribute.value);
  }
  return { scope, inherited };
}

/** What the root of one document of several says. The first to declare a prefix has it; what elements inherit has to be what all of them inherited. */
export function mergedFrame(frames: readonly Frame[]): Frame {
  const scope = new Map([["", PIDF_NAMESPACE]]);
  for (const frame of frames) {
    for (const [prefix, uri] of frame.scope) if (!scope.has(prefix)) scope.set(prefix, uri);
  }
  const inherited = new Map(frames[0]?.inherited);
  for (const [name, value] of inherited) {
    if (frames.some((frame) => frame.inherited.get(name) !== value)) inherited.delete(name);
  }
  return { scope, inherited };
}

/** The frame as attributes of a root. */
export function frameAttributes({ scope, inherited }: Frame): XmlAttribute[] {
  const declarations = [...scope].map(([prefix, uri]) => declaration(prefix, uri));
  return [...declarations, ...[...inherited].map(([name, value]) => ({ name, value }))];
}

/** Whether an attribute of a root belongs to its frame. */
export function isOfFrame(attribute: XmlAttribute): boolean {
  return declaredPrefix(attribute) !== undefined || INHERITED.includes(attribute.name);
}

/** What an element loses by moving from under the one root to the other. */
export function lostAttributes(from: Frame, to: Frame): XmlAttribute[] {
  const lost: XmlAttribute[] = [];
  for (const [prefix, uri] of from.scope) if (to.scope.get(prefix) !== uri) lost.push(declaration(prefix, uri));
  for (const [name, value] of from.inherited) if (to.inherited.get(name) !== value) lost.push({ name, value });
  return lost;
}

/** The element with what it has lost, where it does not say otherwise itself. */
export function regained(element: XmlElement, lost: readonly XmlAttribute[]): XmlElement {
  if (lost.length === 0) return element;
  const own = new Set(element.attributes.map(({ name }) => name));
  return { ...element, attributes: [...element.attributes, ...lost.filter(({ name }) => !own.has(name))] };
}

function declaration(prefix: string, uri: string): XmlAttribute {
  return { name: prefix === "" ? "xmlns" : `xmlns:${prefix}`, value: uri };
}
