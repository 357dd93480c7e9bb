import type { XmlElement } from "../../node/presence/pidf/xml-tree.ts";
import { childElements, declaredPrefix } from "../../node/presence/pidf/xml-tree.ts";

/** Attributes that hold for all that is in their element. @see XML 1.0 §2.10, §2.12, XML Base §3 */
const INHERITED = /^xml:(?:lang|space|base)$/;

type Inherited = Readonly<Record<string, string>>;

/** An element with every name resolved and what it inherits: what it means, whatever is declared around it. Ids are left out. */
function meaning(element: XmlElement, scope: ReadonlyMap<string, string>, inherited: Inherited): unknown {
  const inner = new Map(scope);
  const inForce: Record<string, string> = { ...inherited };
  for (const attribute of element.attributes) {
    const prefix = declaredPrefix(attribute);
    if (prefix !== undefined) inner.set(prefix, attribute.value);
    if (INHERITED.test(attribute.name)) inForce[attribute.name] = attribute.value;
  }
  const attributes = element.attributes
    .filter(({ name }) => name !== "xmlns" && name !== "id" && !name.startsWith("xmlns:") && !INHERITED.test(name))
    .map(
      ({ name, value }) =>
        `${name.includes(":") ? `{${inner.get(name.split(":")[0] as string)}}${name.split(":")[1]}` : name}=${value}`,
    );
  const children = element.children.map((child) =>
    typeof child === "string" ? child : meaning(child, inner, inForce),
  );
  return [
    `{${element.namespace}}${element.local}`,
    attributes.toSorted(),
    Object.entries(inForce).map(String).toSorted(),
    children,
  ];
}

/** What each element right below the root means. */
export function meanings(root: XmlElement): string[] {
  const scope = new Map(root.attributes.map((attribute) => [declaredPrefix(attribute) ?? "-", attribute.value]));
  const inherited = Object.fromEntries(
    root.attributes.filter(({ name }) => INHERITED.test(name)).map(({ name, value }) => [name, value]),
  );
  return childElements(root).map((child) => JSON.stringify(meaning(child, scope, inherited)));
}
