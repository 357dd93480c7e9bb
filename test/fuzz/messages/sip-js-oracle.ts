import { Grammar } from "sip.js";
import type { NameAddrHeader, URI } from "sip.js";
import { parseNameAddr } from "../../../node/sip/message/name-addr.ts";
import { SipParseError } from "../../../node/sip/message/sip-parse-error.ts";
import { parseUri } from "../../../node/sip/message/uri.ts";
import { parseVia } from "../../../node/sip/message/via.ts";
import type { Random } from "../random.ts";

/** What SIP.js makes of a Via. */
interface SipJsVia {
  readonly transport: string;
  readonly host: string;
  readonly port?: number;
  readonly branch?: string;
  readonly received?: string;
}

const URIS = [
  "sip:alice@example.com",
  "sips:a:b@[2001:db8::1]:5060;transport=tcp;lr",
  "sip:h?x=y&z=1",
  "sip:a%20b;p=1@h.example.org:1;user=phone",
  "sip:+1-2@192.0.2.1;method=INVITE",
];
const ADDRESSES = URIS.flatMap((uri) => [`"A \\"b\\"" <${uri}>;tag=1;x="y z"`, `Bob Smith <${uri}>;q=0.5`]);
const VIAS = [
  "SIP/2.0/UDP a.example.com:5060;branch=z9hG4bK1;rport",
  "SIP / 2.0 / TCP [::1]:5060 ;received=192.0.2.1;ttl=1",
  "SIP/2.0/WSS x.invalid;branch=z9hG4bK2;maddr=a.b",
];
const CHARACTERS = "\"<>,;:=@?&%\\*/ \t[]()abc019.-_~!'+$".split("");

function mutated(text: string, random: Random): string {
  for (let i = random.below(4); i > 0; i--) {
    const at = random.below(text.length + 1);
    const by = random.below(3) === 0 ? "" : random.pick(CHARACTERS);
    text = text.slice(0, at) + by + text.slice(at + random.below(by === "" ? 4 : 2));
  }
  return text;
}

/**
 * Compares what we and SIP.js's grammar, written by others from the RFC's, make of a mutated URI, address and Via. Where both accept a value they
 * have to read the same in it; what only SIP.js accepts has to be one of its known liberties.
 * @returns how many values both accepted
 * @throws when they disagree
 */
export function compareWithSipJs(random: Random): number {
  return (
    compareUri(mutated(random.pick(URIS), random)) +
    compareAddress(mutated(random.pick(ADDRESSES), random)) +
    compareVia(mutated(random.pick(VIAS), random))
  );
}

function compareUri(text: string): number {
  const theirs = ask<URI>(text, "SIP_URI");
  const ours = read(() => parseUri(text));
  if (theirs === undefined) return 0;
  // Liberties: a host that begins or ends with a dash, a colon without a port, and port 0 or above 65535, and an escape that is none in a parameter.
  const isLiberty = /[@:](?:[^@;?]*\.)?-|-(?:[:;?]|$|\.)|:0*(?:[;?]|$)|;[^;]*=[^;]*%/.test(text);
  if (ours === undefined) return allow(isLiberty || isPortTooHigh(text), "URI", text);
  agree("scheme", text, ours.scheme, theirs.scheme.toLowerCase());
  agree("host", text, ours.host, theirs.host.replace(/^\[|\]$/g, "").toLowerCase());
  agree("port", text, ours.port, theirs.port);
  // It takes a password for part of the user.
  const password = ours.password === undefined ? "" : `:${ours.password}`;
  agree("user", text, ours.user === undefined ? undefined : decoded(ours.user + password), theirs.user ?? undefined);
  return 1;
}

function compareAddress(text: string): number {
  const theirs = ask<NameAddrHeader>(text, "Name_Addr_Header");
  const ours = read(() => parseNameAddr(text));
  if (theirs === undefined) return 0;
  // Liberties: those of URIs, and tokens beside a quoted display name.
  if (ours === undefined)
    return allow(
      /"[^<]*[^\s<"][^<"]*<|^[^"<]*[^\s"<][^"<]*"|[^\\]""|-|:0*[>;?]|%/.test(text) || isPortTooHigh(text),
      "address",
      text,
    );
  // A tag in quotes is none (RFC 3261 §25.1, tag-param); it leaves them on.
  if (!/;\s*tag\s*=\s*"/i.test(text))
    agree("tag", text, ours.params.get("tag") || undefined, theirs.parameters["tag"] ?? undefined);
  return 1;
}

function compareVia(text: string): number {
  const theirs = ask<SipJsVia>(text, "Via");
  const ours = read(() => parseVia(text));
  if (theirs === undefined) return 0;
  // Liberties: another protocol or version, several values, rport with "=" and no value, and those of URIs' hosts.
  if (ours === undefined)
    return allow(
      !/^SIP\s*\/\s*2\.0\s*\//i.test(text) ||
        /,|-|:\s*0*\s*(?:;|$)|rport\s*=\s*(?:;|$)/i.test(text) ||
        isPortTooHigh(text),
      "Via",
      text,
    );
  agree("transport", text, ours.transport, theirs.transport.toUpperCase());
  // Its rule for maddr overwrites the host.
  if (!ours.params.has("maddr")) agree("host", text, ours.host, theirs.host.replace(/^\[|\]$/g, "").toLowerCase());
  agree("port", text, ours.port, theirs.port);
  agree("branch", text, ours.params.get("branch") || undefined, theirs.branch);
  return 1;
}

function isPortTooHigh(text: string): boolean {
  return [...text.matchAll(/:\s*(\d+)/g)].some(([, digits]) => Number(digits) > 65_535);
}

function ask<T>(text: string, rule: string): T | undefined {
  try {
    const answer: unknown = Grammar.parse(text, rule);
    return answer === -1 ? undefined : (answer as T);
  } catch {
    // Some of its actions throw at what its grammar has let pass.
    return undefined;
  }
}

function read<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (error instanceof SipParseError) return undefined;
    throw error;
  }
}

function decoded(user: string): string {
  try {
    return decodeURIComponent(user);
  } catch {
    return user;
  }
}

function agree(what: string, text: string, ours: unknown, theirs: unknown): void {
  if (ours !== theirs)
    throw new Error(
      `${what} of ${JSON.stringify(text)}: ${JSON.stringify(ours)} to us, ${JSON.stringify(theirs)} to SIP.js`,
    );
}

function allow(isLiberty: boolean, what: string, text: string): 0 {
  if (!isLiberty) throw new Error(`SIP.js takes the ${what} ${JSON.stringify(text)}, we do not`);
  return 0;
}
