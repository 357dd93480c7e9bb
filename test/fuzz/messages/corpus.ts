import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const FOLDER = join(dirname(createRequire(import.meta.url).resolve("sip/package.json")), "test/messages");

function message(...lines: string[]): Buffer {
  return Buffer.from(lines.join("\r\n"));
}

const HEAD = [
  "Via: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bKnashds8;rport, SIP/2.0/TCP [2001:db8::1]:5060;received=192.0.2.1",
  'From: "Joe \\"X\\"" <sip:joe@example.com>;tag=49583',
  "t: <sip:alice@example.com>",
  "Call-ID: asd88asd77a@1.2.3.4",
];

/** Messages of the kinds that the node serves, and those of RFC 4475. */
export const CORPUS: readonly Buffer[] = [
  message(
    "REGISTER sip:example.com SIP/2.0",
    ...HEAD,
    "CSeq: 1 REGISTER",
    'Contact: <sip:joe@127.0.0.1:5062;transport=tcp>;expires=60;q=0.5;+sip.instance="<urn:uuid:0>", <sip:joe@[::1]>',
    'Authorization: Digest username="joe", realm="example.com", nonce="n", uri="sip:example.com", response="r", qop=auth, nc=00000001, cnonce="c", algorithm=MD5',
    "Expires: 600",
    "Content-Length: 0",
    "",
    "",
  ),
  message(
    "SUBSCRIBE sip:alice@example.com;user=phone SIP/2.0",
    ...HEAD,
    "CSeq: 2 SUBSCRIBE",
    "Event: presence.winfo;id=7",
    "Accept: application/pidf+xml,",
    " application/watcherinfo+xml",
    "m: <sip:joe@127.0.0.1:5062>",
    "Route: <sip:a;lr>,<sip:b;lr>",
    "l: 0",
    "",
    "",
  ),
  message(
    "NOTIFY sip:joe@127.0.0.1:5062 SIP/2.0",
    ...HEAD,
    "CSeq: 3 NOTIFY",
    "Subscription-State: terminated;reason=deactivated;retry-after=3",
    "Event: presence",
    "Content-Type: application/pidf+xml",
    "Content-Length: 7",
    "",
    "<a>ü</a>",
  ),
  message("SIP/2.0 200 OK", ...HEAD, "CSeq: 3 NOTIFY", "Content-Length: 0", "", ""),
  ...readdirSync(FOLDER)
    .filter((file) => file.endsWith(".dat"))
    .map((file) => readFileSync(join(FOLDER, file))),
];
