import type { CSeq } from "./cseq.ts";
import { parseCSeq } from "./cseq.ts";
import { parseContacts } from "./contact.ts";
import { isListHeader } from "./header-names.ts";
import { fieldsOf } from "./headers.ts";
import { parseDecimal, splitList } from "./lexical.ts";
import type { SipRequest } from "./message.ts";
import { parseNameAddr } from "./name-addr.ts";
import { quote, SipParseError } from "./sip-parse-error.ts";
import { parseUri, schemeOf } from "./uri.ts";
import type { Via } from "./via.ts";
import { parseVia } from "./via.ts";

/** What every transaction needs of its request. */
export interface RequestEssentials {
  readonly via: Via;
  readonly cseq: CSeq;
}

/** Fields that a request has once, and all but the last of which it must have. @see RFC 3261 §8.1.1 */
const SINGLE: ReadonlyMap<string, number> = new Map([
  ["from", 0],
  ["to", 1],
  ["call-id", 2],
  ["cseq", 3],
  ["max-forwards", 4],
]);
const MANDATORY = ["From", "To", "Call-ID", "CSeq"] as const;

/**
 * Checks what every server needs of a request whatever its method: the mandatory fields, each once, well-formed, and in
 * accord with each other. Extensions, schemes and bodies are for whoever serves the method.
 * @throws {SipParseError} with the status to answer
 * @see RFC 3261 §8.1.1, §8.2.2; RFC 4475 §3.1.2, §3.3
 */
export function validateRequest(request: SipRequest): RequestEssentials {
  const values: (string | undefined)[] = [undefined, undefined, undefined, undefined, undefined];
  for (const { key, name, value } of fieldsOf(request.headers)) {
    const single = SINGLE.get(key);
    if (single !== undefined) {
      if (values[single] !== undefined) throw new SipParseError("REPEATED_HEADER", `${name} given twice`);
      values[single] = value;
    }
    // A quote that never closes would swallow what other elements see as further values.
    else if (value.includes('"') && isListHeader(key)) splitList(value);
  }
  const via = topVia(request);
  for (const [i, name] of MANDATORY.entries()) {
    if (values[i] === undefined) throw new SipParseError("MISSING_HEADER", `no ${name} header field`);
  }
  const [, , callId, cseqText, maxForwards] = values as [string, string, string, string, string | undefined];
  const cseq = parseCSeq(cseqText);
  if (cseq.method !== request.method) {
    throw new SipParseError(
      "METHOD_MISMATCH",
      `CSeq is of ${quote(cseq.method)}, the request of ${quote(request.method)}`,
    );
  }
  request.headers.read("from", parseNameAddr);
  request.headers.read("to", parseNameAddr);
  if (callId === "") throw new SipParseError("NO_CALL_ID", "empty Call-ID");
  if (maxForwards !== undefined) parseDecimal(maxForwards, 255, "Max-Forwards");
  if (request.headers.has("contact")) parseContacts(request.headers);
  checkRequestUri(request.uri);
  return { via, cseq };
}

/**
 * The first Via value.
 * @throws {SipParseError} `MISSING_HEADER`, `BAD_VIA`
 */
export function topVia(message: Pick<SipRequest, "headers">): Via {
  const text = viaText(message);
  return parseVia(text.includes(",") ? (splitList(text)[0] ?? "") : text);
}

/**
 * The first Via value for a refusal: one of another version, or with malformed parameters, still says where the request came from.
 * @throws {SipParseError} when not even that can be read
 */
export function topViaOfMalformed(message: Pick<SipRequest, "headers">): Via {
  try {
    return topVia(message);
  } catch {
    return parseVia(
      viaText(message)
        .replace(/[;,].*$/, "")
        .replace(/\/[^/]*\//, "/2.0/"),
    );
  }
}

function viaText({ headers }: Pick<SipRequest, "headers">): string {
  const value = headers.get("via");
  if (value === undefined) throw new SipParseError("MISSING_HEADER", "no Via header field");
  return value;
}

function checkRequestUri(text: string): void {
  const scheme = schemeOf(text);
  if (scheme === undefined) throw new SipParseError("BAD_URI", `malformed Request-URI ${quote(text)}`);
  if (scheme !== "sip" && scheme !== "sips") return;
  // RFC 3261 §19.1.1, table 1: no headers in a Request-URI. RFC 4475 §3.1.2.11
  if (parseUri(text).headers.length > 0)
    throw new SipParseError("BAD_URI", `header fields in the Request-URI ${quote(text)}`);
}
