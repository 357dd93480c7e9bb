import { SchemaError } from "./schema-error.ts";

/**
 * An address-of-record in canonical form: `sip:user@domain`, host in lower case, no port, parameters,
 * headers or password, and no escapes in the user part but those that RFC 3261 requires.
 * Two AoRs are the same user exactly when the strings are equal.
 * @see RFC 3261 §10.3 step 5, §19.1.4
 */
export type Aor = string & { readonly __brand: "Aor" };

/** Longest AoR accepted, in UTF-8 bytes: it is a key of every register, so it has a bound. */
export const AOR_MAX_BYTES = 255;

// RFC 3261 §25.1: user = 1*( unreserved / escaped / user-unreserved )
const PLAIN_USER_CHARACTER = /[A-Za-z0-9\-_.!~*'()&=+$,;?/]/;
const HOST = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*\.?|\[[0-9a-f:.]+\])$/;

/**
 * Canonical AoR of a SIP or SIPS URI (`sips:` maps to `sip:`: the user is the same), in memory of its own: a URI is mostly a view on
 * the text of a whole message, and users are kept for longer.
 * @throws {SchemaError} `BAD_AOR` when there is no user part, the host is malformed, an escape is broken, or it is too long.
 */
export function parseAor(uri: string): Aor {
  if (uri.length <= AOR_MAX_BYTES && isPlainAor(uri)) return copied(uri) as Aor;
  const match = /^sips?:([^@]+)@([^;?]+)/i.exec(uri);
  if (match === null) throw new SchemaError("BAD_AOR", `not a SIP address of a user: ${quote(uri)}`);
  const userinfo = match[1] as string;
  const hostport = (match[2] as string).toLowerCase();
  const host = hostport.replace(/:\d+$/, "").replace(/\.$/, "");
  if (!HOST.test(host)) throw new SchemaError("BAD_AOR", `malformed host in ${quote(uri)}`);
  const colon = userinfo.indexOf(":");
  const user = canonicalUser(colon < 0 ? userinfo : userinfo.slice(0, colon), uri);
  const aor = `sip:${user}@${host}`;
  if (aor.length > AOR_MAX_BYTES) throw new SchemaError("BAD_AOR", `address longer than ${AOR_MAX_BYTES} bytes`);
  return aor as Aor;
}

const COPY = Buffer.allocUnsafeSlow(AOR_MAX_BYTES);

/** An ASCII text in memory of its own. */
function copied(text: string): string {
  COPY.write(text, "latin1");
  return COPY.toString("latin1", 0, text.length);
}

/** Whether a text is an AoR as {@link parseAor} gives it: another spelling of the same user would be another key. */
export function isCanonicalAor(text: string): text is Aor {
  return isPlainAor(text) ? text.length <= AOR_MAX_BYTES : tryParseAor(text) === text;
}

const [AT, DOT, HYPHEN] = [0x40, 0x2e, 0x2d];
/** Of each ASCII character, whether a user part holds it as it is, and whether a label of a host does. */
const PLAIN = Array.from({ length: 0x80 }, (_, code) => {
  const character = String.fromCharCode(code);
  return { inUser: PLAIN_USER_CHARACTER.test(character), inLabel: /[a-z0-9]/.test(character) };
});

/** Whether it has no escapes and is canonical as it stands, as nearly all are. One look at each character: replicas ask it of every message. */
function isPlainAor(text: string): boolean {
  if (!text.startsWith("sip:")) return false;
  let at = 4;
  while (PLAIN[text.charCodeAt(at)]?.inUser === true) at++;
  if (at === 4 || text.charCodeAt(at) !== AT) return false;
  let before = DOT;
  for (at++; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (PLAIN[code]?.inLabel !== true) {
      if (code !== DOT && code !== HYPHEN) return false;
      if (before === DOT || (before === HYPHEN && code === DOT)) return false;
    }
    before = code;
  }
  return before !== DOT && before !== HYPHEN;
}

/** As {@link parseAor}, but `undefined` instead of an error. */
export function tryParseAor(uri: string): Aor | undefined {
  try {
    return parseAor(uri);
  } catch {
    return undefined;
  }
}

/** The domain of an AoR: what stands right of the `@`. */
export function domainOf(aor: Aor): string {
  return aor.slice(aor.lastIndexOf("@") + 1);
}

/** The user of an AoR, escapes kept. */
export function userOf(aor: Aor): string {
  return aor.slice(4, aor.lastIndexOf("@"));
}

function canonicalUser(user: string, uri: string): string {
  let bytes: string;
  try {
    bytes = decodeURIComponent(user);
  } catch (cause) {
    throw new SchemaError("BAD_AOR", `broken escape in ${quote(uri)}`, { cause });
  }
  if (bytes.length === 0) throw new SchemaError("BAD_AOR", `empty user in ${quote(uri)}`);
  let canonical = "";
  for (const character of bytes) {
    canonical += PLAIN_USER_CHARACTER.test(character) ? character : escapeCharacter(character);
  }
  return canonical;
}

function escapeCharacter(character: string): string {
  let escaped = "";
  for (const byte of new TextEncoder().encode(character)) {
    escaped += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return escaped;
}

function quote(uri: string): string {
  return JSON.stringify(uri.length > 80 ? `${uri.slice(0, 80)}…` : uri);
}
