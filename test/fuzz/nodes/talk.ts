import type { Random } from "../random.ts";

/** Fields that some messages have besides: what is behind an edge reads them, if at all, after it has waited for something. */
const OPTIONAL = [
  ...[
    "Expires: 60",
    "Date: Sat, 28 Nov 2026 20:00:00 GMT",
    "Min-Expires: 60",
    "Supported: path, outbound, timer",
    "Max-Breadth: 30",
  ],
  ...[
    'Reason: SIP;cause=200;text="x"',
    "Privacy: id",
    "P-Preferred-Identity: <sip:ann@example.com>",
    "Session-Expires: 90",
    "Subject: hi there",
  ],
  ...[
    "Accept: application/pidf+xml, application/rlmi+xml, multipart/related",
    "Priority: normal",
    "Suppress-If-Match: *",
    "SIP-If-Match: abc",
  ],
  ...[
    "Subscription-State: active;expires=60",
    "User-Agent: x/1",
    'Warning: 399 x "y"',
    "Content-Encoding: identity",
    "Require: x",
  ],
  ...[
    "Path: <sip:127.0.0.1:9;lr>",
    "Event: presence;id=7",
    "Referred-By: <sip:a@b>",
    "Content-Disposition: render",
    "Retry-After: 2 (busy);duration=60",
  ],
  ...[
    "P-Asserted-Identity: <sip:bob@example.com>",
    "Aorta-Message: x;held",
    "Aorta-Epoch: 1.2.3",
    "Aorta-Nobody: 1",
    "SIP-ETag: abc",
    "Allow-Events: presence",
  ],
];

export function pidf(user: string): string {
  const tuple = '<tuple id="t1"><status><basic>open</basic></status></tuple>';
  return `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:${user}@example.com">${tuple}</presence>`;
}

/** A message of the start line, the fields and the body. */
export function message(start: string, fields: readonly string[], body = ""): string {
  return [start, ...fields, `Content-Length: ${body.length}`, "", body].join("\r\n");
}

/** Each of the optional fields, once in so many times. */
export function optional(random: Random, oneIn: number): string[] {
  return OPTIONAL.filter(() => random.below(oneIn) === 0);
}

/** The values of a field, or of several, in a text that may be no message. */
export function valuesOf(text: string, name: string): string[] {
  return [...text.matchAll(new RegExp(`^${name}: ?([^\r\n]*)`, "gim"))].map(([, value = ""]) => value);
}

export function tagged(value: string, tag: string): string {
  return /;\s*tag=/i.test(value) ? value : `${value};tag=${tag}`;
}

const INVITE_STATUSES = [180, 183, 200, 200, 200, 302, 401, 404, 407, 486, 503, 603];
const OTHER_STATUSES = [200, 200, 200, 200, 202, 302, 401, 404, 407, 415, 423, 481, 486, 489, 500, 503, 603];
const SAID_WITH: ReadonlyMap<number, string> = new Map([
  [401, 'WWW-Authenticate: Digest realm="x", nonce="y"'],
  [407, 'Proxy-Authenticate: Digest realm="x", nonce="y"'],
  [415, "Accept: text/plain"],
  [423, "Min-Expires: 90"],
  [503, "Retry-After: 1"],
]);

/** What a device or a server may answer to a request; `undefined` to one that is not answered. */
export function answerTo(
  request: string,
  from: { readonly contact: string; readonly tag: string },
  random: Random,
): string | undefined {
  const method = /^[A-Z]+/.exec(request)?.[0] ?? "";
  if (method === "ACK") return undefined;
  const status = random.pick(method === "INVITE" ? INVITE_STATUSES : OTHER_STATUSES);
  const copied = ["Via", "From", "Call-ID", "CSeq", "Record-Route"].flatMap((name) =>
    valuesOf(request, name).map((value) => `${name}: ${value}`),
  );
  const said = SAID_WITH.get(status);
  return message(`SIP/2.0 ${status} Said`, [
    ...copied,
    ...valuesOf(request, "To").map((value) => `To: ${tagged(value, from.tag)}`),
    `Contact: <${from.contact}>`,
    ...(method === "SUBSCRIBE" ? ["Expires: 600"] : []),
    ...(said === undefined ? [] : [said]),
    ...optional(random, 8),
  ]);
}
