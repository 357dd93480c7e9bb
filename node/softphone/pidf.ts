import { SaxesParser } from "saxes";

/** What a person sees of somebody's presence. */
export interface PresenceState {
  /** `open`: reachable. @see RFC 3863 §4.1.4 */
  readonly basic: "open" | "closed";
  readonly note?: string;
}

const pidfNamespace = "urn:ietf:params:xml:ns:pidf";

/** A presence document of one tuple. @see RFC 3863 §4 */
export function renderPidf(entity: string, tupleId: string, state: PresenceState): string {
  const note = state.note === undefined ? "" : `<note>${escapeXml(state.note)}</note>`;
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\r\n` +
    `<presence xmlns="${pidfNamespace}" entity="${escapeXml(entity)}">` +
    `<tuple id="${escapeXml(tupleId)}"><status><basic>${state.basic}</basic></status>${note}</tuple>` +
    `</presence>\r\n`
  );
}

/**
 * Open if any tuple is open; the note is the first one of an open tuple, or of the document.
 * @throws {Error} when the document is not well-formed XML
 */
export function parsePidf(document: string): PresenceState {
  const tuples: { basic?: string; note?: string }[] = [];
  let documentNote: string | undefined;
  let text = "";
  const path: string[] = [];
  const parser = new SaxesParser({ xmlns: true });
  parser.on("opentag", (tag) => {
    path.push(tag.uri === pidfNamespace ? tag.local : `{${tag.uri}}${tag.local}`);
    if (path.join("/") === "presence/tuple") tuples.push({});
    text = "";
  });
  parser.on("text", (chunk) => (text += chunk));
  parser.on("closetag", () => {
    const where = path.join("/");
    const tuple = tuples.at(-1);
    if (where === "presence/tuple/status/basic" && tuple) tuple.basic = text.trim();
    else if (where === "presence/tuple/note" && tuple) tuple.note ??= text.trim();
    else if (where === "presence/note") documentNote ??= text.trim();
    path.pop();
    text = "";
  });
  parser.write(document).close();
  const shown = tuples.find(({ basic }) => basic === "open") ?? tuples[0];
  const note = shown?.note ?? documentNote;
  return { basic: shown?.basic === "open" ? "open" : "closed", ...(note === undefined ? {} : { note }) };
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
