/** An element that can be changed, also to what is not well-formed. */
export interface MutableElement {
  name: string;
  attributes: { name: string; value: string }[];
  children: MutableNode[];
}

/** Text, or what is written as it stands. */
export type MutableNode = MutableElement | string | { readonly raw: string };

export function isElement(node: MutableNode): node is MutableElement {
  return typeof node === "object" && "name" in node;
}

export function copyOf(element: MutableElement): MutableElement {
  return {
    name: element.name,
    attributes: element.attributes.map((attribute) => ({ ...attribute })),
    children: element.children.map((child) => (isElement(child) ? copyOf(child) : child)),
  };
}

/** The element and all that is in it. */
export function elementsIn(root: MutableElement): MutableElement[] {
  const all = [root];
  for (const element of all) for (const child of element.children) if (isElement(child)) all.push(child);
  return all;
}

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", '"': "&quot;", "\r": "&#13;" };

function escaped(text: string): string {
  return text.replace(/[&<"\r]/g, (character) => ESCAPES[character] as string);
}

/** An attribute value that begins so is written as it stands. */
export const RAW = "\u{f8ff}";

/** Its text, without recursion: it may be nested deeper than any stack. */
export function textOf(root: MutableElement): string {
  const pieces: string[] = [];
  const open: (MutableNode | { readonly end: string })[] = [root];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (typeof node === "string") pieces.push(escaped(node));
    else if ("raw" in node) pieces.push(node.raw);
    else if ("end" in node) pieces.push(node.end);
    else {
      pieces.push(`<${node.name}`);
      for (const { name, value } of node.attributes)
        pieces.push(value.startsWith(RAW) ? ` ${name}=${value.slice(RAW.length)}` : ` ${name}="${escaped(value)}"`);
      if (node.children.length === 0) pieces.push("/>");
      else {
        pieces.push(">");
        open.push({ end: `</${node.name}>` }, ...node.children.toReversed());
      }
    }
  }
  return pieces.join("");
}
