/** @see RFC 3261 §7.3.3, §20; RFC 3841, 3515, 3892, 4028, 4474, 6665 */
const COMPACT: Readonly<Record<string, string>> = {
  a: "accept-contact",
  b: "referred-by",
  c: "content-type",
  d: "request-disposition",
  e: "content-encoding",
  f: "from",
  i: "call-id",
  j: "reject-contact",
  k: "supported",
  l: "content-length",
  m: "contact",
  n: "identity-info",
  o: "event",
  r: "refer-to",
  s: "subject",
  t: "to",
  u: "allow-events",
  v: "via",
  x: "session-expires",
  y: "identity",
};

/** Fields whose grammar is a comma-separated list, so that splitting them does not change their meaning. */
const LISTS: ReadonlySet<string> = new Set([
  "accept",
  "accept-contact",
  "accept-encoding",
  "accept-language",
  "alert-info",
  "allow",
  "allow-events",
  "call-info",
  "contact",
  "content-encoding",
  "content-language",
  "diversion",
  "error-info",
  "history-info",
  "in-reply-to",
  "p-asserted-identity",
  "p-associated-uri",
  "p-preferred-identity",
  "path",
  "permission-missing",
  "proxy-require",
  "reason",
  "record-route",
  "reject-contact",
  "require",
  "route",
  "security-client",
  "security-server",
  "security-verify",
  "service-route",
  "supported",
  "unsupported",
  "via",
  "warning",
]);

/** Spellings met often, so that most lookups are one probe of a hash table and make no new string. */
const KEYS = new Map<string, string>();
const COMMON = `
  Via From To Call-ID CSeq Contact Max-Forwards Content-Length Content-Type Route Record-Route Expires
  Min-Expires User-Agent Server Allow Supported Require Proxy-Require Unsupported Accept Authorization
  WWW-Authenticate Proxy-Authorization Proxy-Authenticate Event Authentication-Info Allow-Events
  Subscription-State SIP-ETag SIP-If-Match P-Asserted-Identity P-Preferred-Identity Path Retry-After Subject
  Date Organization Priority Privacy Timestamp Reason Warning Session-Expires Suppress-If-Match Max-Breadth
  Content-Encoding Aorta-Cut-Off Aorta-Epoch Aorta-Hold Aorta-Local Aorta-Message Aorta-Nobody Aorta-Owner Aorta-Registration Aorta-State-Epoch`;
for (const name of COMMON.trim().split(/\s+/)) {
  const key = name.toLowerCase();
  KEYS.set(name, key).set(key, key);
}
for (const [letter, key] of Object.entries(COMPACT)) KEYS.set(letter, key).set(letter.toUpperCase(), key);

/** The one key for all spellings of a header field's name: the long form in lower case. */
export function headerKey(name: string): string {
  const known = KEYS.get(name);
  if (known !== undefined) return known;
  const lower = name.toLowerCase();
  return KEYS.get(lower) ?? lower;
}

/** A usual spelling of a name. */
export interface UsualName {
  readonly name: string;
  readonly key: string;
}

const BUCKETS: readonly UsualName[][] = Array.from({ length: 256 }, () => []);

function bucketOf(firstCode: number, length: number): UsualName[] {
  return BUCKETS[((firstCode << 3) ^ length) & 255] as UsualName[];
}

for (const [name, key] of KEYS) bucketOf(name.charCodeAt(0), name.length).push({ name, key });

/** The name that stands in a text from `at` to `to`, in one of its usual spellings, found without a copy of it; `undefined` says nothing about it. */
export function usualNameAt(text: string, at: number, to: number): UsualName | undefined {
  const length = to - at;
  for (const usual of bucketOf(text.charCodeAt(at), length)) {
    if (usual.name.length === length && text.startsWith(usual.name, at)) return usual;
  }
  return undefined;
}

/** Whether commas separate values in the field with this key. @see RFC 3261 §7.3.1 */
export function isListHeader(key: string): boolean {
  return LISTS.has(key);
}
