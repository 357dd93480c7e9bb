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

// A parser turns a bare CR into LF, and any white space of an attribute into a blank: what got in by reference leaves so.
/** Text that stands between tags. */
export function escapeText(text: string): string {
  return /[&<>\r]/.test(text) ? text.replace(/[&<>\r]/g, (character) => TEXT_ESCAPES[character] as string) : text;
}

/** Text that stands in double quotes. */
export function escapeAttribute(value: string): string {
  return /[&<"\t\n\r]/.test(value)
    ? value.replace(/[&<"\t\n\r]/g, (character) => ATTRIBUTE_ESCAPES[character] as string)
    : value;
}
