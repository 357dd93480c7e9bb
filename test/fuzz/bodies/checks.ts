import { isDeepStrictEqual } from "node:util";
import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { parseAor } from "../../../dht-schema/aor.ts";
import { ListState } from "../../../node/presence/lists/list-state.ts";
import { parseResourceLists } from "../../../node/presence/lists/resource-lists.ts";
import { compose } from "../../../node/presence/pidf/compose.ts";
import { parseXml } from "../../../node/presence/pidf/parse-xml.ts";
import { parseComposedPidf, serializePidf } from "../../../node/presence/pidf/pidf-document.ts";
import type { XmlElement } from "../../../node/presence/pidf/xml-tree.ts";
import { attributeOf, childElements, textOf } from "../../../node/presence/pidf/xml-tree.ts";
import type { PresentContact } from "../../../node/presence/publication/publishing-devices.ts";
import { OwnPresence } from "../../../node/presence/publication/own-presence.ts";
import type { Publication } from "../../../node/presence/publication/publications.ts";
import { readPublish } from "../../../node/presence/publication/read-publish.ts";
import { fromStoredPublication, toStoredPublication } from "../../../node/presence/publication/stored-publication.ts";
import { serializeReginfo } from "../../../node/presence/registrations/reginfo-document.ts";
import { parseWatcherInfo, serializeWatcherInfo } from "../../../node/presence/watcherinfo/watcherinfo-document.ts";
import { readRegister } from "../../../node/registrar/read-register.ts";
import { ProtocolError } from "../../../node/runtime/errors.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { createRequest } from "../../../node/sip/message/build.ts";
import { createHeaders } from "../../../node/sip/message/headers.ts";
import type { SipMessage } from "../../../node/sip/message/message.ts";
import { parsePidf as parseAsSoftphone } from "../../../node/softphone/pidf.ts";
import { meanings } from "../../helpers/pidf-meaning.ts";
import { readRlmi } from "../../helpers/rlmi.ts";

const EXPIRY = { minSeconds: 60, defaultSeconds: 3600, maxSeconds: 7200 };
const EPOCH = { version: 1, counter: 1, member: 1 };
/** `"` in an attribute takes six octets, and so much is what else is written. */
const GROWTH = 6;
const FRAME_BYTES = 100;

/** The result, or undefined where it is refused in the one way that is allowed. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}

function same(again: unknown, first: unknown): void {
  if (!isDeepStrictEqual(again, first)) expect(again).to.deep.equal(first);
}

/** Someone whose devices publish. */
export class Publisher {
  readonly aor: Aor;
  readonly #presence: OwnPresence;
  #published = 0;

  constructor(name: string) {
    this.aor = parseAor(`sip:${name}@example.com`);
    this.#presence = new OwnPresence({ presentity: this.aor, expiry: EXPIRY, openingMs: 0, contacts: [] }, 0);
  }

  get composed(): Uint8Array {
    this.#presence.tick(0);
    return this.#presence.document() as Uint8Array;
  }

  /** A PUBLISH is refused with an answer, or what it says is kept: on disk, and in what is composed. */
  publish(body: Buffer): "refused" | "too-large" | "accepted" {
    const headers = [["Event", "presence"] as const, ["Content-Type", "application/pidf+xml"] as const];
    const request = createRequest({ method: "PUBLISH", uri: this.aor, from: this.aor, to: this.aor, headers, body });
    const read = readPublish(request);
    if ("refuse" in read) {
      expect(read.refuse.status).to.be.oneOf([400, 413]);
      return "refused";
    }
    if (read.document !== undefined)
      expect(serializePidf(read.document).length).to.be.at.most(GROWTH * body.length + FRAME_BYTES);
    const tag = `k${this.#published++}`;
    const outcome = this.#presence.publish({ ...read, path: tag, freshTag: tag }, 0);
    if (outcome.kind === "refused") expect(outcome.answer.status).to.be.oneOf([400, 413]);
    return outcome.kind === "accepted" ? "accepted" : "too-large";
  }

  register(contacts: readonly PresentContact[]): void {
    this.#presence.contactsChanged(contacts, 0);
  }

  check(): void {
    const { composed } = this;
    const { publications } = this.#presence;
    const document = parseComposedPidf(composed);
    const again = compose({ presentity: this.aor, publications: [{ key: "z", document }], contacts: [] });
    expect(Buffer.from(serializePidf(again)).toString(), "composed again").to.equal(Buffer.from(composed).toString());
    const ids = childElements(document).flatMap((element) => attributeOf(element, "id") ?? []);
    expect(new Set(ids).size, "ids are unique").to.equal(ids.length);
    checkNames(document);
    const kept = new Set(meanings(document));
    for (const publication of publications) {
      for (const element of meanings(publication.document))
        if (!kept.has(element)) expect([...kept]).to.include(element);
      checkStorage(this.aor, publication);
    }
    parseAsSoftphone(Buffer.from(composed).toString());
  }
}

const START =
  "A-Z_a-z\\xc0-\\xd6\\xd8-\\xf6\\xf8-\\u02ff\\u0370-\\u037d\\u037f-\\u1fff\\u200c\\u200d\\u2070-\\u218f\\u2c00-\\u2fef\\u3001-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\ufffd";
const NCNAME = `[${START}\\u{10000}-\\u{effff}][${START}\\u{10000}-\\u{effff}.0-9\\xb7\\u0300-\\u036f\\u203f\\u2040-]*`;
/** @see Namespaces in XML 1.0 §4 */
const QNAME = new RegExp(`^(?:${NCNAME}:)?${NCNAME}$`, "u");

/** Names are as other parsers want them, too. */
function checkNames({ name, attributes, children }: XmlElement): void {
  for (const each of [name, ...attributes.map((attribute) => attribute.name)])
    if (!QNAME.test(each)) throw new Error(`${each} is no qualified name`);
  for (const child of children) if (typeof child !== "string") checkNames(child);
}

/** What rests on disk is taken up as it was. */
function checkStorage(aor: Aor, publication: Publication): void {
  const now = { wallMs: 0, monotonicMs: 0 };
  const stored = toStoredPublication(aor, publication, EPOCH, now);
  same(fromStoredPublication(stored, now, EXPIRY.maxSeconds)?.document, publication.document);
}

/** What comes from another server, or in a SUBSCRIBE, is refused or read to what is written and read the same. */
export function checkReaders(octets: Buffer): { readonly read: boolean; readonly members: readonly Aor[] } {
  attempt(() => parseComposedPidf(octets));
  const watchers = attempt(() => parseWatcherInfo(octets));
  if (watchers !== undefined) {
    const written = serializeWatcherInfo(watchers);
    // Its times may be as long as it had no others.
    expect(written.length).to.be.at.most(GROWTH * octets.length + 2 * FRAME_BYTES);
    if (written.length <= limits.presence.relayed.bytes) same(parseWatcherInfo(written), watchers);
  }
  const members = attempt(() => parseResourceLists(octets));
  if (members !== undefined) expect(members.length).to.be.within(1, limits.presence.lists.members);
  return { read: watchers !== undefined || members !== undefined, members: members ?? [] };
}

/** The subscriber to a list is told of each member, in bodies that fit into a message and whose parts can be read. */
export function checkList(uri: Aor, members: readonly Aor[], body: Uint8Array): void {
  const state = new ListState(uri, members, limits.presence.lists.notifyBytes);
  for (const member of members) state.update(member, { standing: "active", body });
  const told = new Set<string>();
  for (let version = 0; state.isDirty; version++) {
    const { contentType, body: part } = state.take({ all: false, version, boundary: `boundary${version}` });
    expect(part.length).to.be.at.most(limits.presence.relayed.bytes);
    const list = readRlmi({ headers: createHeaders([["Content-Type", contentType]]), body: part });
    expect([list.uri, list.version, list.full]).to.deep.equal([uri, version, version === 0]);
    for (const [name, said] of Object.entries(list.members)) if (said !== "active") told.add(name);
  }
  // Those whom only a port tells apart have one name there.
  expect(told.size).to.equal(new Set(members.map((member) => member.slice("sip:".length).split("@")[0])).size);
}

/** As XML can say it: control characters and what is no character become U+FFFD. */
function tellable(text: string): string {
  return text.replace(/(?![\t\n\r\x7f-\x9f])[\p{Cc}\ufffe\uffff]/gu, "\ufffd");
}

/** What a REGISTER binds is told in a document that can be read. */
export function checkRegistration(message: SipMessage): boolean {
  if (message.kind !== "request" || message.method !== "REGISTER") return false;
  const order = readRegister(message, { transport: "TLS", address: "127.0.0.1", port: 1, id: 1 } as never, EXPIRY);
  if (!("kind" in order) || order.kind !== "bind") return false;
  const { callId, cseq } = order;
  const contacts = order.contacts.map(({ uri, q, expiresSeconds }, i) => ({
    ...({ id: `c${i}`, uri, change: "registered", q, callId, cseq, expiresSeconds } as const),
  }));
  const aor = "sip:alice@example.com";
  const written = serializeReginfo({ version: 0, full: true, aor, id: "r", state: "active", contacts });
  const [registration] = childElements(parseXml(Buffer.from(written), limits.presence.relayed.xml));
  const told = childElements(registration!).map((contact) => [
    attributeOf(contact, "callid"),
    childElements(contact).map(textOf),
  ]);
  expect(told).to.deep.equal(contacts.map(({ uri }) => [tellable(callId), [tellable(uri)]]));
  return true;
}
