import { overallBasic, parseComposedPidf, tuplesOf } from "../../../node/presence/pidf/pidf-document.ts";
import { parseXml } from "../../../node/presence/pidf/parse-xml.ts";
import { attributeOf, childElements, textOf } from "../../../node/presence/pidf/xml-tree.ts";
import { parseWatcherInfo } from "../../../node/presence/watcherinfo/watcherinfo-document.ts";
import { limits } from "../../../node/runtime/limits.ts";
import type { SipRequest } from "../../../node/sip/message/message.ts";
import { readRlmi } from "../../helpers/rlmi.ts";

/** What a client shows after some NOTIFYs of one subscription, oldest first: a line for each user, watcher or contact. */
export type ReadTable = (notifies: readonly SipRequest[]) => readonly string[];

/** Of a user: basic status and notes. */
export const presenceTold: ReadTable = (notifies) => {
  const last = notifies.at(-1);
  return last === undefined ? [] : [shownIn(last.body)];
};

/** Of the members of a list: name, basic status and notes. */
export const listTold: ReadTable = (notifies) => {
  const table = new Map<string, string>();
  for (const notify of notifies) {
    const { full, members } = readRlmi(notify);
    if (full) table.clear();
    for (const [name, seen] of Object.entries(members)) table.set(name, seen.replace(/^(?:active|pending) /, ""));
  }
  return [...table].map(([name, seen]) => `${name} ${seen}`).toSorted();
};

/** Of watchers: address and status. */
export const watchersTold: ReadTable = (notifies) => {
  const table = new Map<string, string>();
  for (const { body } of notifies) {
    const { full, watchers } = parseWatcherInfo(body);
    if (full) table.clear();
    for (const { id, uri, status } of watchers) {
      if (status === "terminated") table.delete(id);
      else table.set(id, `${uri} ${status}`);
    }
  }
  return [...table.values()].toSorted();
};

/** Of registered contacts: their URIs. */
export const contactsTold: ReadTable = (notifies) => {
  const table = new Set<string>();
  for (const { body } of notifies) {
    const root = parseXml(body, limits.presence.xml);
    if (attributeOf(root, "state") === "full") table.clear();
    for (const contact of childElements(root).flatMap(childElements)) {
      if (attributeOf(contact, "state") === "active") table.add(textOf(contact));
      else table.delete(textOf(contact));
    }
  }
  return [...table].toSorted();
};

function shownIn(body: Uint8Array): string {
  const document = parseComposedPidf(body);
  const notes = tuplesOf(document).flatMap((tuple) => childElements(tuple).filter(({ local }) => local === "note"));
  return [overallBasic(document), ...notes.map(textOf)].join(" ");
}
