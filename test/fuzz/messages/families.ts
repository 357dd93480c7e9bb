import { StreamFramer } from "../../../node/sip/message/framer.ts";
import { parseMessage } from "../../../node/sip/message/parse-message.ts";
import { SipParseError } from "../../../node/sip/message/sip-parse-error.ts";
import { validateRequest } from "../../../node/sip/message/validate-request.ts";
import type { Family } from "../growth.ts";

const HEAD = [
  "OPTIONS sip:example.com SIP/2.0",
  "Via: SIP/2.0/UDP a;branch=z9hG4bK1",
  "From: <sip:a@b>;tag=1",
  "To: <sip:b@c>",
  "Call-ID: 1",
  "CSeq: 1 OPTIONS",
].join("\r\n");

/** What tempts a parser of messages to look again at what it has seen. */
export const FAMILIES: readonly Family[] = [
  ["header fields", "a:b\r\n", `${HEAD}\r\n%Content-Length: 0\r\n\r\n`],
  ["fields of Via", "v:SIP/2.0/UDP a\r\n", `${HEAD}\r\n%Content-Length: 0\r\n\r\n`],
  [
    "values of Via in a field",
    ",SIP/2.0/UDP a",
    `${HEAD.replace("branch=z9hG4bK1", "$&%")}\r\nContent-Length: 0\r\n\r\n`,
  ],
  ["values of Contact", ",<sip:a@b>", `${HEAD}\r\nContact: <sip:a@b>%\r\nContent-Length: 0\r\n\r\n`],
  ["folded lines", "\r\n x", `${HEAD}\r\nSubject: x%\r\nContent-Length: 0\r\n\r\n`],
  ["parameters", ";a", `${HEAD.replace("tag=1", "$&%")}\r\nContent-Length: 0\r\n\r\n`],
  ["parameters of a URI", ";a=b", `${HEAD.replace("sip:example.com", "$&%")}\r\nContent-Length: 0\r\n\r\n`],
  ["quotes", '"', `${HEAD.replace("From: ", 'From: "%" ')}\r\nContent-Length: 0\r\n\r\n`],
  ["escapes in a quoted string", "\\\\", `${HEAD.replace("From: ", 'From: "%" ')}\r\nContent-Length: 0\r\n\r\n`],
  ["brackets", "<", `${HEAD.replace("From: ", "From: %")}\r\nContent-Length: 0\r\n\r\n`],
  ["spaces", " ", `${HEAD}\r\nSubject: a%b\r\nContent-Length: 0\r\n\r\n`],
  ["tabs before a colon", "\t", `${HEAD}\r\nSubject%: a\r\nContent-Length: 0\r\n\r\n`],
  ["empty lines before the message", "\r\n", `%${HEAD}\r\nContent-Length: 0\r\n\r\n`],
  ["fields of Content-Length", "l:0\r\n", `${HEAD}\r\n%\r\n`],
  ["lone CRs", "\r", `${HEAD}\r\nSubject: a%b\r\nContent-Length: 0\r\n\r\n`],
  ["a head without an end", "x", `${HEAD}\r\nSubject: %`],
];

/** Reads a message that comes over a stream. */
export function read(octets: Buffer): void {
  // A stream brings it in pieces, each of which could be searched anew.
  const framer = new StreamFramer();
  for (let at = 0; at < octets.length; at += 1000) framer.push(octets.subarray(at, at + 1000));
  try {
    const message = parseMessage(octets);
    for (const [name] of message.headers.entries()) {
      if (name.length > 1) message.headers.all(name);
    }
    if (message.kind === "request") validateRequest(message);
  } catch (error) {
    if (!(error instanceof SipParseError)) throw error;
  }
}
