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

/** What most documents begin with, and what says nothing: reading it takes a fifth of the time of a small document. What follows is an element. */
const USUAL_DECLARATION = /^<\?xml version=(["'])1\.0\1(?: encoding=(["'])utf-8\2)?\?>\s*(?=<[^?!])/i;

/** Characters of names that do not begin one: saxes lets them stand behind a prefix. @see XML 1.0 §2.3, Namespaces in XML 1.0 §4 */
const NO_BEGINNING = /^(?:[-.0-9]|\u00b7|[\u0300-\u036f]|[\u203f\u2040])/;

/** @throws {ProtocolError} where the local part of a name is none */
function checkLocal(prefix: string, local: string): void {
  if (prefix !== "" && NO_BEGINNING.test(local))
    throw new ProtocolError("BAD_XML", `${prefix}:${local.slice(0, 60)} is no name`);
}

/** Reads one document after the other: a parser takes as long to be made as a small document to be read. */
class XmlReader {
  readonly #parser = new SaxesParser({ xmlns: true, position: false });
  readonly #open: OpenElement[] = [];
  #limits: XmlLimits = { depth: 0, elements: 0, attributesPerElement: 0 };
  #root: XmlElement | undefined;
  #elements = 0;
  #attributes: XmlAttribute[] = [];

  constructor() {
    const parser = this.#parser;
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
      const { elements, depth } = this.#limits;
      this.#attributes = [];
      this.#elements += 1;
      if (this.#elements > elements) throw new ProtocolError("BAD_XML", `more than ${elements} elements`);
      if (this.#open.length >= depth) throw new ProtocolError("BAD_XML", `nested deeper than ${depth}`);
    });
    parser.on("attribute", ({ name, prefix, local, value }) => {
      const { attributesPerElement } = this.#limits;
      this.#attributes.push({ name, value });
      if (this.#attributes.length > attributesPerElement)
        throw new ProtocolError("BAD_XML", `more than ${attributesPerElement} attributes on one element`);
      checkLocal(prefix, local);
    });
    parser.on("opentag", ({ name, prefix, local, uri }) => {
      checkLocal(prefix, local);
      this.#open.push({ name, local, namespace: uri, attributes: this.#attributes, children: [] });
    });
    parser.on("closetag", () => {
      const element = this.#open.pop() as OpenElement;
      const parent = this.#open.at(-1);
      if (parent === undefined) this.#root = element;
      else parent.children.push(element);
    });
    parser.on("text", (text) => this.#addText(text));
    parser.on("cdata", (text) => this.#addText(text));
  }

  /** @throws {ProtocolError} and must not be used again then: it is in the middle of a document */
  read(text: string, limits: XmlLimits): XmlElement {
    this.#limits = limits;
    this.#elements = 0;
    this.#root = undefined;
    this.#parser.write(text).close();
    // Not kept beyond the document.
    const root: XmlElement | undefined = this.#root;
    this.#root = undefined;
    if (root === undefined) throw new ProtocolError("BAD_XML", "the document is empty");
    return root;
  }

  #addText(text: string): void {
    const children = this.#open.at(-1)?.children;
    if (children === undefined || text === "") return;
    const last = children.at(-1);
    if (typeof last === "string") children[children.length - 1] = last + text;
    else children.push(text);
  }
}

/** That has read the last document to its end. */
let idle: XmlReader | undefined;

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
  const reader = idle ?? new XmlReader();
  idle = undefined;
  const root = reader.read(text.replace(USUAL_DECLARATION, ""), limits);
  idle = reader;
  return root;
}
