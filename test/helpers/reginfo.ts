import { parseXml } from "../../node/presence/pidf/parse-xml.ts";
import { attributeOf, childElements, textOf } from "../../node/presence/pidf/xml-tree.ts";
import { limits } from "../../node/runtime/limits.ts";

/** What a document of RFC 3680 says, in a line: version and state, state of the registration, and its contacts. */
export function readReginfo(body: Uint8Array): string {
  const root = parseXml(body, limits.presence.xml);
  const [registration] = childElements(root);
  const contacts = childElements(registration!).map(
    (contact) => `${textOf(contact)} ${attributeOf(contact, "state")} ${attributeOf(contact, "event")}`,
  );
  const head = `${attributeOf(root, "version")} ${attributeOf(root, "state")} ${attributeOf(registration!, "state")}`;
  return [head, ...contacts].join(", ");
}
