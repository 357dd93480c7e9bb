import { SaxesParser } from "saxes";
import { ProtocolError } from "../../runtime/errors.ts";
import type { XmlAttribute, XmlElement, XmlNode } from "./xml-tree.ts";

/** Bounds of one document. */
export interface XmlLimits {
  readonly depth: number;
  readonly elements: number;
  readonly attributesPerElement: number;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

interface OpenElement extends XmlElement {
  readonly children: XmlNode[];
}

/**
 * Parses a document in UTF-8. A DOCTYPE is refused, so no entity but XML's own five is ever expanded.
 * @throws {ProtocolError} `BAD_XML`: not well-formed, not UTF-8, not XML 1.0, or beyond a limit
 */
export function parseXml(bytes: Uint8Array, limits: XmlLimits): XmlElement {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (cause) {
    throw new ProtocolError("BAD_XML", "the document is not UTF-8", { cause });
  }
  const open: OpenElement[] = [];
  let root: XmlElement | undefined;
  let elements = 0;
  let attributes: XmlAttribute[] = [];

  const parser = new SaxesParser({ xmlns: true, position: false });
  parser.on("error", (cause) => {
    throw new ProtocolError("BAD_XML", cause.message, { cause });
  });
  parser.on("xmldecl", ({ version, encoding }) => {
    // What 1.1 allows beyond 1.0 (control characters by reference) could not be passed on in a 1.0 document.
    if (version !== undefined && version !== "1.0")
      throw new ProtocolError("BAD_XML", `XML ${version} is not supported`);
    if (encoding !== undefined && !/^(?:utf-8|us-ascii)$/i.test(encoding))
      throw new ProtocolError("BAD_XML", `encoding ${encoding} is not supported`);
  });
  parser.on("doctype", () => {
    throw new ProtocolError("BAD_XML", "a DOCTYPE is not allowed");
  });
  // Counted as they come, not when the tag ends: the bound is there to stop work.
  parser.on("opentagstart", () => {
    attributes = [];
    elements += 1;
    if (elements > limits.elements) throw new ProtocolError("BAD_XML", `more than ${limits.elements} elements`);
    if (open.length >= limits.depth) throw new ProtocolError("BAD_XML", `nested deeper than ${limits.depth}`);
  });
  parser.on("attribute", ({ name, value }) => {
    attributes.push({ name, value });
    if (attributes.length > limits.attributesPerElement)
      throw new ProtocolError("BAD_XML", `more than ${limits.attributesPerElement} attributes on one element`);
  });
  parser.on("opentag", ({ name, local, uri }) => {
    open.push({ name, local, namespace: uri, attributes, children: [] });
  });
  parser.on("closetag", () => {
    const element = open.pop() as OpenElement;
    const parent = open.at(-1);
    if (parent === undefined) root = element;
    else parent.children.push(element);
  });
  const addText = (text: string): void => {
    const children = open.at(-1)?.children;
    if (children === undefined || text === "") return;
    const last = children.at(-1);
    if (typeof last === "string") children[children.length - 1] = last + text;
    else children.push(text);
  };
  parser.on("text", addText);
  parser.on("cdata", addText);

  parser.write(text).close();
  if (root === undefined) throw new ProtocolError("BAD_XML", "the document is empty");
  return root;
}
