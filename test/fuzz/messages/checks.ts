import { isIP } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { expect } from "chai";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { assertedIn, stripAssertions } from "../../../node/federation/edge-identity.ts";
import { examineRequest } from "../../../node/federation/examine-request.ts";
import { toDevice, toServer } from "../../../node/federation/forward.ts";
import { ownAddresses } from "../../../node/federation/own-addresses.ts";
import { readRegister } from "../../../node/registrar/read-register.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { expiresOf, parseContacts } from "../../../node/sip/message/contact.ts";
import { parseCredentials } from "../../../node/sip/message/credentials.ts";
import { parseEvent, parseSubscriptionState } from "../../../node/sip/message/event.ts";
import type { FrameEvent } from "../../../node/sip/message/framer.ts";
import { StreamFramer } from "../../../node/sip/message/framer.ts";
import type { SipMessage } from "../../../node/sip/message/message.ts";
import { formatNameAddr, parseNameAddr } from "../../../node/sip/message/name-addr.ts";
import { parseMessage } from "../../../node/sip/message/parse-message.ts";
import { serializeMessage } from "../../../node/sip/message/serialize-message.ts";
import { SipParseError } from "../../../node/sip/message/sip-parse-error.ts";
import { formatUri, parseUri } from "../../../node/sip/message/uri.ts";
import { validateRequest } from "../../../node/sip/message/validate-request.ts";
import { formatVia, parseVia } from "../../../node/sip/message/via.ts";
import { readProxyHeader } from "../../../node/sip/transport/proxy-header.ts";
import type { Random } from "../random.ts";

/** The result, or undefined where it is refused in the one way that is allowed. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof SipParseError)) throw error;
    if (error.status < 400 || error.status > 599) throw new Error(`refused with ${error.status}`, { cause: error });
    return undefined;
  }
}

/** What a message is, for comparison. */
function contentOf(message: SipMessage): unknown {
  const { headers, body, ...start } = message;
  const fields = [...headers.entries()].filter(([name]) => !/^(?:content-length|l)$/i.test(name));
  return JSON.stringify([start, fields, Buffer.from(body).toString("latin1")]);
}

/** Parsing, writing and parsing again gives the same, and every reader of fields reads or refuses every field, whatever it is called. */
export function checkParsing(octets: Buffer): SipMessage | undefined {
  const message = attempt(() => parseMessage(octets));
  if (message === undefined) return undefined;
  const written = serializeMessage(message);
  // Writing adds Content-Length. What a message may have is a limit of what is received, and there has to be room for that.
  const hasRoom = [...message.headers.entries()].length < limits.sip.headerCount;
  if (hasRoom && written.length <= limits.sip.messageBytes) same(contentOf(parseMessage(written)), contentOf(message));
  readEverything(message);
  return message;
}

/** Of as many values of a name each is read: those after them are like them. */
const VALUES_READ = 10;

function readEverything(message: SipMessage): void {
  if (message.kind === "request") {
    attempt(() => validateRequest(message));
    const uri = attempt(() => parseUri(message.uri));
    if (uri !== undefined) same(parseUri(formatUri(uri)), uri);
  }
  attempt(() => parseContacts(message.headers));
  attempt(() => expiresOf(message.headers));
  const names = new Set([...message.headers.entries()].map(([name]) => name.toLowerCase()));
  for (const name of names) {
    for (const value of (attempt(() => message.headers.all(name)) ?? []).slice(0, VALUES_READ)) {
      const via = attempt(() => parseVia(value));
      if (via !== undefined) same(parseVia(formatVia(via)), via);
      const address = attempt(() => parseNameAddr(value));
      if (address !== undefined) same(parseNameAddr(formatNameAddr(address)), address);
      attempt(() => parseCredentials(value));
      attempt(() => parseEvent(value));
      attempt(() => parseSubscriptionState(value));
    }
  }
}

function same(again: unknown, first: unknown): void {
  if (!isDeepStrictEqual(again, first)) expect(again).to.deep.equal(first);
}

const own = ownAddresses("12D3KooWServer" as ServerId, [{ transport: "UDP", address: "127.0.0.1", port: 5060 }], []);
const EXPIRY = { minSeconds: 60, defaultSeconds: 3600, maxSeconds: 7200 };

/** The edge examines every request that the stack would hand up, and its copies for others can be written. */
export function checkEdge(message: SipMessage): void {
  if (message.kind !== "request" || attempt(() => validateRequest(message)) === undefined) return;
  const examined = examineRequest(message, { domain: "example.com", own, secure: false, fromServer: false });
  if (examined.kind === "refused") expect(examined.status).to.be.within(400, 699);
  const order = readRegister(message, { transport: "UDP", address: "127.0.0.1", port: 1 }, EXPIRY);
  if ("status" in order) expect(order.status).to.be.within(400, 499);
  attempt(() => assertedIn(message.headers));
  stripAssertions(message.headers);
  serializeMessage(toServer(message, { version: 1, counter: 1, member: 1 }));
  if (order !== undefined && "kind" in order && order.kind === "bind") {
    for (const { uri } of order.contacts) serializeMessage(toDevice(message, { uri, path: order.path }));
  }
}

/** A stream gives the same however it is cut, and no message above the bound. */
export function checkFraming(octets: Buffer, random: Random): void {
  const whole = new StreamFramer().push(octets);
  const framer = new StreamFramer();
  const pieces: FrameEvent[] = [];
  const most = 1 + random.below(4000);
  for (let at = 0; at < octets.length;) {
    const size = 1 + random.below(most);
    pieces.push(...framer.push(octets.subarray(at, at + size)));
    at += size;
  }
  same(pieces.map(shown), whole.map(shown));
  for (const event of whole) {
    if (event.kind === "message") expect(event.bytes.length).to.be.at.most(limits.sip.messageBytes);
  }
}

/** Headers of the PROXY protocol, before SIP. */
const PROXY_HEADERS = [
  Buffer.from("PROXY TCP4 192.0.2.1 198.51.100.1 40000 5061\r\n"),
  Buffer.from("PROXY TCP6 2001:db8::1 2001:db8::2 40000 5061\r\n"),
  Buffer.from("PROXY UNKNOWN ffff:f...\r\n"),
  Buffer.from("0d0a0d0a000d0a515549540a2111000cc0000201c63364019c4013c5", "hex"),
  Buffer.from(`0d0a0d0a000d0a515549540a21210028${"20010db8000000000000000000000001".repeat(2)}9c4013c504000103`, "hex"),
  Buffer.from("0d0a0d0a000d0a515549540a20000000", "hex"),
];

/** A header of the PROXY protocol, whole or spoiled, says the same however it is cut: nothing of it before it is whole, and of what follows it nothing. */
export function checkProxyHeader(octets: Buffer, random: Random): void {
  const header = Buffer.from(random.pick(PROXY_HEADERS));
  for (let spoiled = random.below(3); spoiled > 0; spoiled--)
    header.writeUInt8(random.below(256), random.below(header.length));
  const whole = Buffer.concat([header, octets]);
  const read = readProxyHeader(whole);
  const end = typeof read === "string" ? whole.length : read.length;
  if (typeof read !== "string" && read.client !== undefined) {
    expect(isIP(read.client.address), read.client.address).to.be.oneOf([4, 6]);
    expect(read.client.port).to.be.within(0, 65_535);
  }
  expect(end).to.be.at.most(whole.length);
  if (read === "more") return;
  const cut = random.below(end);
  const part = readProxyHeader(whole.subarray(0, cut));
  expect(part, `of ${cut} octets`).to.be.oneOf(read === "broken" ? ["more", "broken"] : ["more"]);
  if (read !== "broken") expect(readProxyHeader(whole.subarray(0, end))).to.deep.equal(read);
}

function shown(event: FrameEvent): string {
  return event.kind === "message" ? Buffer.from(event.bytes).toString("latin1") : event.kind;
}
