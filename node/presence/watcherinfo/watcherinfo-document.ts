import { ProtocolError } from "../../runtime/errors.ts";
import { limits } from "../../runtime/limits.ts";
import { parseXml } from "../pidf/parse-xml.ts";
import { escapeText, serializeXml } from "../pidf/serialize-xml.ts";
import type { XmlElement } from "../pidf/xml-tree.ts";
import { attributeOf, childrenNamed, textOf } from "../pidf/xml-tree.ts";

/** @see RFC 3858 §4 */
export const WATCHERINFO_CONTENT_TYPE = "application/watcherinfo+xml";

const NAMESPACE = "urn:ietf:params:xml:ns:watcherinfo";

/** @see RFC 3857 §4.7.1 */
export type WatcherStatus = "pending" | "active" | "waiting" | "terminated";

/** What brought a watcher to its status. @see RFC 3857 §4.7.1 */
export type WatcherEvent =
  | "subscribe"
  | "approved"
  | "deactivated"
  | "probation"
  | "rejected"
  | "timeout"
  | "giveup"
  | "noresource";

const STATUSES: readonly string[] = ["pending", "active", "waiting", "terminated"] satisfies WatcherStatus[];
const EVENTS: readonly string[] = [
  "subscribe",
  "approved",
  "deactivated",
  "probation",
  "rejected",
  "timeout",
  "giveup",
  "noresource",
] satisfies WatcherEvent[];

/** One who watches. */
export interface WatcherEntry {
  /** Names the subscription. */
  readonly id: string;
  readonly uri: string;
  readonly status: WatcherStatus;
  readonly event: WatcherEvent;
  /** How long the subscription has been there. */
  readonly durationSeconds?: number;
  /** When it expires if it is not refreshed. */
  readonly expirationSeconds?: number;
}

/** The watchers of one resource, or what has changed in them. */
export interface WatcherInfoDocument {
  /** 0 first, then one more each time. */
  readonly version: number;
  readonly full: boolean;
  readonly resource: string;
  readonly watchers: readonly WatcherEntry[];
}

/** @see RFC 3858 §4 */
export function serializeWatcherInfo({ version, full, resource, watchers }: WatcherInfoDocument): Uint8Array {
  return serializeXml(
    element("watcherinfo", { xmlns: NAMESPACE, version: String(version), state: full ? "full" : "partial" }, [
      element("watcher-list", { resource, package: "presence" }, watchers.map(watcherElement)),
    ]),
  );
}

function watcherElement({ id, uri, status, event, durationSeconds, expirationSeconds }: WatcherEntry): XmlElement {
  const times = {
    ...(durationSeconds === undefined ? {} : { "duration-subscribed": String(durationSeconds) }),
    ...(expirationSeconds === undefined ? {} : { expiration: String(expirationSeconds) }),
  };
  return element("watcher", { id, status, event, ...times }, [uri]);
}

/** How much room a watcher takes in a document, at most. */
export function bytesOfWatcher({ uri }: WatcherEntry): number {
  return Buffer.byteLength(escapeText(uri)) + 150;
}

function element(
  local: string,
  attributes: Readonly<Record<string, string>>,
  children: XmlElement["children"],
): XmlElement {
  const list = Object.entries(attributes).map(([name, value]) => ({ name, value }));
  return { name: local, local, namespace: NAMESPACE, attributes: list, children };
}

/**
 * Reads a document about one resource.
 * @throws {ProtocolError} `TOO_LARGE`, `BAD_XML`, `BAD_WATCHERINFO`
 */
export function parseWatcherInfo(bytes: Uint8Array): WatcherInfoDocument {
  const { relayed } = limits.presence;
  if (bytes.length > relayed.bytes) throw new ProtocolError("TOO_LARGE", `watcherinfo over ${relayed.bytes} bytes`);
  const root = parseXml(bytes, relayed.xml);
  if (root.local !== "watcherinfo" || root.namespace !== NAMESPACE)
    throw bad(`the root is not <watcherinfo> of ${NAMESPACE}`);
  const [version, state] = [attributeOf(root, "version") ?? "", attributeOf(root, "state")];
  if (!/^\d{1,10}$/.test(version)) throw bad("version is no number");
  if (state !== "full" && state !== "partial") throw bad("state is neither full nor partial");
  const list = childrenNamed(root, NAMESPACE, "watcher-list")[0];
  return {
    version: Number(version),
    full: state === "full",
    resource: (list && attributeOf(list, "resource")) ?? "",
    watchers: list === undefined ? [] : childrenNamed(list, NAMESPACE, "watcher").map(watcherOf),
  };
}

function watcherOf(watcher: XmlElement): WatcherEntry {
  const [id, status, event] = ["id", "status", "event"].map((name) => attributeOf(watcher, name) ?? "");
  if (id === undefined || id === "" || !STATUSES.includes(status ?? "") || !EVENTS.includes(event ?? ""))
    throw bad("a watcher has no id, or a status or event that is none");
  const duration = secondsIn(watcher, "duration-subscribed");
  const expiration = secondsIn(watcher, "expiration");
  return {
    id,
    uri: textOf(watcher),
    status: status as WatcherStatus,
    event: event as WatcherEvent,
    ...(duration === undefined ? {} : { durationSeconds: duration }),
    ...(expiration === undefined ? {} : { expirationSeconds: expiration }),
  };
}

function secondsIn(watcher: XmlElement, name: string): number | undefined {
  const text = attributeOf(watcher, name);
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

function bad(what: string): ProtocolError {
  return new ProtocolError("BAD_WATCHERINFO", what);
}
