/**
 * An XML document as far as presence needs it: elements, attributes and text in their order, prefixes as written.
 * Comments and processing instructions carry no presence information and are left out; CDATA is text.
 */
export interface XmlElement {
  /** As written, with its prefix. */
  readonly name: string;
  readonly local: string;
  /** Namespace URI the name resolves to; empty for none. */
  readonly namespace: string;
  /** In the order written, namespace declarations among them. */
  readonly attributes: readonly XmlAttribute[];
  readonly children: readonly XmlNode[];
}

export interface XmlAttribute {
  /** As written, with its prefix. */
  readonly name: string;
  readonly value: string;
}

export type XmlNode = XmlElement | string;

/** Value of an attribute by the name as written. */
export function attributeOf(element: XmlElement, name: string): string | undefined {
  return element.attributes.find((attribute) => attribute.name === name)?.value;
}

/** The element with an attribute set, in its old place or at the end. */
export function withAttribute(element: XmlElement, name: string, value: string): XmlElement {
  const at = element.attributes.findIndex((attribute) => attribute.name === name);
  const attributes = at < 0 ? [...element.attributes, { name, value }] : element.attributes.with(at, { name, value });
  return { ...element, attributes };
}

/** Child elements, text left out. */
export function childElements(element: XmlElement): XmlElement[] {
  return element.children.filter((child) => typeof child !== "string");
}

/** Child elements of one qualified name. */
export function childrenNamed(element: XmlElement, namespace: string, local: string): XmlElement[] {
  return childElements(element).filter((child) => child.local === local && child.namespace === namespace);
}

/** All text within the element, white space at both ends removed. */
export function textOf(element: XmlElement): string {
  let text = "";
  for (const child of element.children) text += typeof child === "string" ? child : textOf(child);
  return text.trim();
}

/** Prefix that an attribute declares: empty for `xmlns`, `undefined` when it is no namespace declaration. */
export function declaredPrefix(attribute: XmlAttribute): string | undefined {
  if (attribute.name === "xmlns") return "";
  return attribute.name.startsWith("xmlns:") ? attribute.name.slice("xmlns:".length) : undefined;
}
