import type { XmlElement } from "./xml-tree.ts";

/** Text of an element and what is in it; parsing it again gives an equal tree. */
export function serializeElement(element: XmlElement): string {
  let tag = `<${element.name}`;
  for (const { name, value } of element.attributes) tag += ` ${name}="${escapeAttribute(value)}"`;
  if (element.children.length === 0) return `${tag}/>`;
  tag += ">";
  for (const child of element.children) tag += typeof child === "string" ? escapeText(child) : serializeElement(child);
  return `${tag}</${element.name}>`;
}

const utf8 = new TextEncoder();

/** A whole document in UTF-8. */
export function serializeXml(root: XmlElement): Uint8Array {
  return utf8.encode(`<?xml version="1.0" encoding="UTF-8"?>\n${serializeElement(root)}`);
}

const TEXT_ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;" };
const ATTRIBUTE_ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  '"': "&quot;",
  "\t": "&#9;",
  "\n": "&#10;",
  "\r": "&#13;",
};

/** What XML 1.0 cannot hold, not even by reference. @see XML 1.0 §2.2 */
const NO_CHARACTERS = "\\0-\\x08\\x0b\\x0c\\x0e-\\x1f\\ufffe\\uffff";
const IN_TEXT = new RegExp(`[&<>\\r${NO_CHARACTERS}]`, "g");
const IN_ATTRIBUTE = new RegExp(`[&<"\\t\\n\\r${NO_CHARACTERS}]`, "g");
const REPLACEMENT_CHARACTER = "\ufffd";

// A parser turns a bare CR into LF, and any white space of an attribute into a blank: what got in by reference leaves so.
/** Text that stands between tags. */
export function escapeText(text: string): string {
  return text.search(IN_TEXT) < 0
    ? text
    : text.replace(IN_TEXT, (character) => TEXT_ESCAPES[character] ?? REPLACEMENT_CHARACTER);
}

/** Text that stands in double quotes. */
export function escapeAttribute(value: string): string {
  return value.search(IN_ATTRIBUTE) < 0
    ? value
    : value.replace(IN_ATTRIBUTE, (character) => ATTRIBUTE_ESCAPES[character] ?? REPLACEMENT_CHARACTER);
}
