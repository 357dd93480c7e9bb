import type { Aor } from "../../../dht-schema/aor.ts";
import { tryParseAor } from "../../../dht-schema/aor.ts";
import { ProtocolError } from "../../runtime/errors.ts";
import { limits } from "../../runtime/limits.ts";
import { parseXml } from "../pidf/parse-xml.ts";
import type { XmlElement } from "../pidf/xml-tree.ts";
import { attributeOf, childElements } from "../pidf/xml-tree.ts";

/** @see RFC 4826 §3 */
export const RESOURCE_LISTS_CONTENT_TYPE = "application/resource-lists+xml";

const NAMESPACE = "urn:ietf:params:xml:ns:resource-lists";

/**
 * The users in a resource-lists document, in order, each once; lists within lists are taken apart. References to lists elsewhere
 * (`external`, `entry-ref`) are not followed.
 * @throws {ProtocolError} `TOO_LARGE` also when there are too many users, `BAD_XML`, `BAD_LIST`
 * @see RFC 4826 §3.1, RFC 5363 §4
 */
export function parseResourceLists(bytes: Uint8Array): readonly Aor[] {
  const { lists } = limits.presence;
  if (bytes.length > lists.documentBytes) throw new ProtocolError("TOO_LARGE", "the list is too large");
  const root = parseXml(bytes, limits.presence.xml);
  if (root.local !== "resource-lists" || root.namespace !== NAMESPACE)
    throw new ProtocolError("BAD_LIST", `the root is not <resource-lists> of ${NAMESPACE}`);
  const members = new Set<Aor>();
  for (const list of childElements(root)) addEntries(list, members);
  if (members.size === 0) throw new ProtocolError("BAD_LIST", "the list names nobody");
  if (members.size > lists.members) throw new ProtocolError("TOO_LARGE", `more than ${lists.members} users`);
  return [...members];
}

function addEntries(list: XmlElement, members: Set<Aor>): void {
  for (const child of childElements(list)) {
    if (child.namespace !== NAMESPACE) continue;
    // As deep as the document is, which the parser has bounded.
    if (child.local === "list") addEntries(child, members);
    if (child.local === "entry") members.add(entryOf(child));
  }
}

function entryOf(entry: XmlElement): Aor {
  const uri = attributeOf(entry, "uri") ?? "";
  const aor = tryParseAor(uri);
  if (aor === undefined) throw new ProtocolError("BAD_LIST", `${uri.slice(0, 60)} is no SIP address of a user`);
  return aor;
}
