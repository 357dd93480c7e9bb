import { overallBasic, parseComposedPidf, tuplesOf } from "../../node/presence/pidf/pidf-document.ts";
import { parseXml } from "../../node/presence/pidf/parse-xml.ts";
import { attributeOf, childElements, textOf } from "../../node/presence/pidf/xml-tree.ts";
import { limits } from "../../node/runtime/limits.ts";
import type { SipRequest } from "../../node/sip/message/message.ts";

/** What one NOTIFY for a list says, read as a client would read it. */
export interface ToldList {
  readonly uri: string;
  readonly version: number;
  readonly full: boolean;
  /** User part → `state basic note`, `state` where the document is elsewhere, or nothing where nothing is known. */
  readonly members: Readonly<Record<string, string>>;
}

/** Takes a multipart/related body with RLMI as its root apart. @throws when anything in it does not fit together */
export function readRlmi({ headers, body }: Pick<SipRequest, "headers" | "body">): ToldList {
  const type = headers.get("Content-Type") ?? "";
  const boundary = /;boundary="([^"]+)"/.exec(type)?.[1];
  if (!type.startsWith('multipart/related;type="application/rlmi+xml"') || boundary === undefined)
    throw new Error(type);
  const text = Buffer.from(body).toString("latin1");
  const parts = new Map<string, { readonly type: string; readonly body: Uint8Array }>();
  const pieces = text.split(`--${boundary}`);
  if (pieces.at(-1) !== "--\r\n" || pieces[0] !== "") throw new Error("the body does not end as it should");
  for (const piece of pieces.slice(1, -1)) {
    const end = piece.indexOf("\r\n\r\n");
    const field = (name: string) => new RegExp(`^${name}: *([^\\r]*)`, "im").exec(piece.slice(0, end))?.[1] ?? "";
    const content = Buffer.from(piece.slice(end + 4, -2), "latin1");
    parts.set(field("Content-ID").slice(1, -1), { type: field("Content-Type"), body: content });
  }
  const start = /;start="<([^">]+)>"/.exec(type)?.[1] ?? "";
  const root = parseXml(parts.get(start)!.body, limits.presence.relayed.xml);
  const members = childElements(root).map((resource) => {
    const name = attributeOf(resource, "uri")?.slice("sip:".length).split("@")[0] ?? "";
    const [instance] = childElements(resource);
    if (instance === undefined) return [name, ""];
    const cid = attributeOf(instance, "cid");
    const state = attributeOf(instance, "state") ?? "";
    if (cid === undefined) return [name, state];
    const document = parseComposedPidf(parts.get(cid)!.body);
    const notes = tuplesOf(document).flatMap((tuple) => childElements(tuple).filter(({ local }) => local === "note"));
    return [name, [state, overallBasic(document), ...notes.map(textOf)].join(" ")];
  });
  return {
    uri: attributeOf(root, "uri") ?? "",
    version: Number(attributeOf(root, "version")),
    full: attributeOf(root, "fullState") === "true",
    members: Object.fromEntries(members) as Record<string, string>,
  };
}
